/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/verify_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/base/grow.h"

enum { TEXT_BYTES_MAX = 16 * 1024, FINDINGS_SHOWN = 20 };

static const char *const result_names[] = {"ok", "warning", "failed", "skipped"};

static bool add(struct verify_report *report, enum verify_check_result result,
                int64_t begun_boot_ms, const char *name, const char *text, struct err *err)
{
    struct verify_check *check = grow_by_one(&report->checks, &report->count, sizeof(*check));

    if (check == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    check->result = result;
    check->took_ms = clock_boot_ms() - begun_boot_ms;
    job_check(report->job, name, result_names[result], text, NULL);
    return strs_dup(&check->name, name, err) && strs_dup(&check->text, text, err);
}

bool verify_report_add(struct verify_report *report, enum verify_check_result result,
                       int64_t begun_boot_ms, struct err *err, const char *name, const char *fmt,
                       ...)
{
    char text[ERR_TEXT_BYTES + 200];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return add(report, result, begun_boot_ms, name, text, err);
}

bool verify_report_judge(struct verify_report *report, int64_t begun_boot_ms,
                         const struct strs *findings, const char *name, const char *ok_text,
                         struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(TEXT_BYTES_MAX);
    bool ok = true;

    if (findings->count == 0)
        return add(report, VERIFY_CHECK_OK, begun_boot_ms, name, ok_text, err);
    for (size_t i = 0; ok && i < findings->count && i < FINDINGS_SHOWN; i++)
        ok = buf_printf(&text, err, "%s%.700s", i ? "; " : "", findings->items[i]);
    if (ok && findings->count > FINDINGS_SHOWN)
        ok = buf_printf(&text, err, "; and %zu more", findings->count - FINDINGS_SHOWN);
    return ok && add(report, VERIFY_CHECK_FAILED, begun_boot_ms, name, buf_text(&text), err);
}

static const struct verify_check *first(const struct verify_report *report,
                                        enum verify_check_result result)
{
    for (size_t i = 0; i < report->count; i++) {
        if (report->checks[i].result == result)
            return &report->checks[i];
    }
    return NULL;
}

void verify_report_conclude(const struct verify_report *report, bool deep, int64_t now_utc_us,
                            struct verify_verdict *ret_verdict)
{
    const struct verify_check *failed = first(report, VERIFY_CHECK_FAILED);
    const struct verify_check *skipped = first(report, VERIFY_CHECK_SKIPPED);
    const struct verify_check *why = failed ? failed : skipped;

    *ret_verdict = (struct verify_verdict){
        .result = failed    ? VERIFY_FAILED
                  : skipped ? VERIFY_PARTLY
                            : VERIFY_OK,
        .deep = deep,
        .at_utc_us = now_utc_us,
    };
    if (why != NULL)
        (void)snprintf(ret_verdict->why, sizeof(ret_verdict->why), "%.60s: %.120s", why->name,
                       why->text);
}

json_t *verify_report_json(const struct verify_report *report)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < report->count; i++) {
        const struct verify_check *check = &report->checks[i];
        json_t *item = json_pack("{s:o,s:s,s:o,s:I}", "name", control_text(check->name), "result",
                                 result_names[check->result], "text", control_text(check->text),
                                 "took_ms", (json_int_t)check->took_ms);
        if (json_array_append_new(list, item) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

void verify_report_free(struct verify_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        free(report->checks[i].name);
        free(report->checks[i].text);
    }
    free(report->checks);
    report->checks = NULL;
    report->count = 0;
}
