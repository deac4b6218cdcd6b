/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/verify_position.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hooks/db_gtid.h"

void verify_logs_free(struct verify_logs *logs)
{
    for (size_t i = 0; i < logs->count; i++)
        free(logs->list[i].name);
    free(logs->list);
    free(logs->gtid);
    *logs = (struct verify_logs){.count = 0};
}

bool verify_log_name_plain(const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    return name[0] != '\0' && name[strspn(name, plain)] == '\0';
}

/* --- what lacks among the logs ------------------------------------------------------------ */

/* The number behind the last dot; -1: there is none. */
static int64_t number_of(const char *name)
{
    const char *dot = strrchr(name, '.');

    if (dot == NULL || dot[1] == '\0' || dot[1 + strspn(dot + 1, "0123456789")] != '\0' ||
        strlen(dot + 1) > 18)
        return -1;
    return strtoll(dot + 1, NULL, 10);
}

static bool judge_list(const struct verify_logs *logs, struct strs *findings, struct err *err)
{
    for (size_t i = 0; i < logs->count; i++) {
        const char *name = logs->list[i].name;
        if (logs->list[i].bytes == 0 &&
            !strs_printf(findings, err, "the binary log %s is listed in the index, and not there",
                         name))
            return false;
        if (i == 0)
            continue;
        int64_t number = number_of(name), before = number_of(logs->list[i - 1].name);
        if (number > 0 && before > 0 && number > before + 1 &&
            !strs_printf(findings, err, "between the binary logs %s and %s some are missing",
                         logs->list[i - 1].name, name))
            return false;
    }
    return true;
}

/* --- the position ------------------------------------------------------------------------- */

static bool judge_end(const struct backup_database *recorded, const struct verify_logs *logs,
                      size_t at, struct strs *findings, struct err *err)
{
    const struct verify_log *log = &logs->list[at];

    if (log->bytes > 0 && recorded->binlog_pos > log->bytes)
        return strs_printf(findings, err,
                           "recorded %s:%" PRId64 " lies beyond the end of the copy's, %" PRId64,
                           log->name, recorded->binlog_pos, log->bytes);
    if (!recorded->binlog_exact)
        return true;
    bool idle = log->idle_from > 0 && recorded->binlog_pos >= log->idle_from;
    if (log->bytes > 0 && recorded->binlog_pos != log->bytes && !idle)
        return strs_printf(findings, err, "recorded %s:%" PRId64 ", the copy's ends at %" PRId64,
                           log->name, recorded->binlog_pos, log->bytes);
    if (at + 2 < logs->count)
        return strs_printf(findings, err, "recorded %s:%" PRId64 ", the copy's logs go on to %s",
                           log->name, recorded->binlog_pos, logs->list[logs->count - 2].name);
    return true;
}

static bool judge_file(const struct backup_database *recorded, const struct verify_logs *logs,
                       struct strs *findings, struct err *err)
{
    for (size_t i = 0; i < logs->count; i++) {
        if (strcmp(logs->list[i].name, recorded->binlog_file) == 0)
            return judge_end(recorded, logs, i, findings, err);
    }
    if (logs->count == 0)
        return strs_printf(findings, err,
                           "recorded %s:%" PRId64 ", the copy has no binary log at all",
                           recorded->binlog_file, recorded->binlog_pos);
    return strs_printf(findings, err,
                       "recorded %s:%" PRId64 ", which is not on the copy; it has %s to %s",
                       recorded->binlog_file, recorded->binlog_pos, logs->list[0].name,
                       logs->list[logs->count - 1].name);
}

/* --- GTIDs -------------------------------------------------------------------------------- */

/* A tag that was cut, or what the server had no room for, says nothing. */
static bool judge_gtid(const struct backup_database *recorded, const struct verify_logs *logs,
                       struct strs *findings, struct err *err)
{
    enum db_gtid_order order;
    struct err why = ERR_INIT;

    if (recorded->gtid == NULL || logs->gtid == NULL || strstr(recorded->gtid, "…") != NULL)
        return true;
    if (!db_gtid_compare(recorded->gtid, logs->gtid, &order, &why)) {
        if (why.kind == ERR_PROTOCOL)
            return strs_printf(findings, err, "recorded GTID %.200s, the copy's is %.200s: %.100s",
                               recorded->gtid, logs->gtid, why.text);
        *err = why;
        return false;
    }
    if (order == DB_GTID_EQUAL || (order == DB_GTID_BEHIND && !recorded->binlog_exact))
        return true;
    return strs_printf(findings, err, "recorded GTID %.200s, the copy's is %.200s", recorded->gtid,
                       logs->gtid);
}

bool verify_position_judge(const struct backup_database *recorded, const struct verify_logs *logs,
                           struct strs *ret_findings, char *ret_found, struct err *err)
{
    size_t last = logs->count > 1 ? logs->count - 2 : 0;

    ret_found[0] = '\0';
    if (logs->count > 1)
        (void)snprintf(ret_found, VERIFY_FOUND_BYTES, "%.250s:%" PRId64, logs->list[last].name,
                       logs->list[last].bytes);
    return judge_list(logs, ret_findings, err) &&
           (recorded->binlog_file == NULL || judge_file(recorded, logs, ret_findings, err)) &&
           judge_gtid(recorded, logs, ret_findings, err);
}
