/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_METRICS_TEXT_H
#define STILLPOINT_METRICS_TEXT_H

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/daemon/metrics_record.h"

/* The record in Prometheus' text exposition format, version 0.0.4. Pure. The names are a contract:
 * dashboards and alert rules of operators have them (packaging/monitoring). A fact that is absent
 * has no line; a time that never was is 0, so that "too old" needs no second rule. */

enum { METRICS_TEXT_BYTES_MAX = 64 * 1024 };

struct metrics_family {
    const char *name, *type, *help;
};

/* All that can appear, in their order; ends with a NULL name. */
const struct metrics_family *metrics_families(void);

bool metrics_text(const struct metrics_record *record, struct buf *ret_text, struct err *err);

/* The ping's body: how the backup ended that the result is of.
 *   label  proved of its set; unconfirmed: nothing, or there is none */
void metrics_text_ended(const struct metrics_record *record, enum label label, const char *host,
                        char *text, size_t size);

#endif
