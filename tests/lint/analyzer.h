/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ANALYZER_H
#define STILLPOINT_ANALYZER_H

/* Put in front of every source by lint.sh. clang's analyzer sees one file at a time and must be
 * told what the makers of errors return; else it follows paths on which a failure was a success. */
#include "agent/base/err.h"

#define err_set(...)     ((void)err_set(__VA_ARGS__), false)
#define err_wrap(...)    ((void)err_wrap(__VA_ARGS__), false)
#define err_suggest(...) ((void)err_suggest(__VA_ARGS__), false)

#endif
