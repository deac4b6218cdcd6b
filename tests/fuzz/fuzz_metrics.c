/* SPDX-License-Identifier: BSD-2-Clause */
/* STATE/metrics.json of any bytes, as a restored disk may have it: read, gone on with, shown, and
 * written so that the same is read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/daemon/metrics_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

static void show(const struct metrics_record *record, struct buf *ret_text)
{
    struct err err = ERR_INIT;

    must(metrics_text(record, ret_text, &err) || err.kind == ERR_LIMIT);
}

/* No line but comments and samples of ours, whatever the values. */
static void check_lines(const char *text)
{
    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
        must(strchr(at, '\n') != NULL);
        must(strncmp(at, "# HELP stillpoint_", 18) == 0 ||
             strncmp(at, "# TYPE stillpoint_", 18) == 0 || strncmp(at, "stillpoint_", 11) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct metrics_record record, again;
    struct buf json = BUF_INIT(METRICS_BYTES_MAX), first = BUF_INIT(METRICS_TEXT_BYTES_MAX),
               second = BUF_INIT(METRICS_TEXT_BYTES_MAX);
    struct err err = ERR_INIT;

    if (!metrics_record_read((const char *)data, size, &record, &err)) {
        must(err.kind == ERR_PROTOCOL || err.kind == ERR_INTERNAL);
        return 0;
    }
    (void)metrics_record_interrupt(&record, 1);
    must(record.running_count == 0);
    must(metrics_record_write(&record, &json, &err));
    must(metrics_record_read(json.data, json.len, &again, &err));
    show(&record, &first);
    show(&again, &second);
    check_lines(buf_text(&first));
    must(strlen(buf_text(&first)) == strlen(buf_text(&second)) || strchr(buf_text(&first), '\\'));
    metrics_record_begin(&record, "sp-20261129T081530Z-k3f9x", 2);
    must(record.result != METRICS_SUCCESS || record.success_utc_us >= 0);
    buf_free(&json);
    buf_free(&first);
    buf_free(&second);
    return 0;
}
