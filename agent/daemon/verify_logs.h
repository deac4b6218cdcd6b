/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_VERIFY_LOGS_H
#define STILLPOINT_VERIFY_LOGS_H

#include "agent/daemon/verify_serving.h"

/* The end of a server's logs against what is recorded, into the report.
 *   false  ERR_DB: it does not answer; else there is no going on */
bool verify_logs_judge(struct verify_serving *serving, struct err *err);

#endif
