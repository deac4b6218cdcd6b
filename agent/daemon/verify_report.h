/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_VERIFY_REPORT_H
#define STILLPOINT_VERIFY_REPORT_H

#include <jansson.h>

#include "agent/daemon/job.h"
#include "agent/daemon/strs.h"
#include "agent/daemon/verify_verdict.h"

/* What a verify found, check by check; each is told to the client as it comes. */

enum verify_check_result {
    VERIFY_CHECK_OK,
    VERIFY_CHECK_WARNING, /* worth knowing, and no fault of the set */
    VERIFY_CHECK_FAILED,  /* a finding: it does not restore as it claims */
    VERIFY_CHECK_SKIPPED, /* could not be looked into: the verdict covers less */
};

struct verify_check {
    char *name; /* "filesystem /var/lib/mysql" */
    enum verify_check_result result;
    char *text;
    int64_t took_ms;
};

struct verify_report {
    struct job *job;
    struct verify_check *checks;
    size_t count;
};

bool verify_report_add(struct verify_report *report, enum verify_check_result result,
                       int64_t begun_boot_ms, struct err *err, const char *name, const char *fmt,
                       ...) __attribute__((format(printf, 6, 7)));
/* Failed, with the findings in one text; where there are none, ok with OK_TEXT. */
bool verify_report_judge(struct verify_report *report, int64_t begun_boot_ms,
                         const struct strs *findings, const char *name, const char *ok_text,
                         struct err *err);
/* From all checks: failed where one has, partly where one was skipped. The first of them is why. */
void verify_report_conclude(const struct verify_report *report, bool deep, int64_t now_utc_us,
                            struct verify_verdict *ret_verdict);
/* [{"name", "result", "text", "took_ms"}]. NULL without memory. */
json_t *verify_report_json(const struct verify_report *report);
void verify_report_free(struct verify_report *report); /* idempotent */

#endif
