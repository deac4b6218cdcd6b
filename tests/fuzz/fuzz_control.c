/* SPDX-License-Identifier: BSD-2-Clause */
/* The control protocol, both directions: the first byte says in how large pieces the rest arrives,
 * the rest is the stream. The daemon's end reads requests out of it, the client's end events, which
 * it shows. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/control_wire.h"
#include "agent/base/utf8.h"
#include "agent/cli/cli_list.h"
#include "agent/cli/cli_progress.h"
#include "agent/cli/cli_show.h"
#include "agent/cli/cli_status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

/* What was read can be written, and read again as the same. */
static void writes_back(const json_t *object)
{
    struct buf line = BUF_INIT(4 * CONTROL_ANSWER_BYTES_MAX); /* \u escapes may grow */
    struct err err = ERR_INIT;
    json_t *again = NULL;

    must(control_add_line(&line, object, &err));
    must(line.data[line.len - 1] == '\n' && memchr(line.data, '\n', line.len - 1) == NULL);
    must(control_parse(line.data, line.len - 1, &again, &err));
    must(json_object_size(again) == json_object_size(object));
    json_decref(again);
    buf_free(&line);
}

static void take_request(const json_t *request)
{
    static const char *const keys[] = {"id", "reason", "keep_ms", "pin", "tags", NULL};
    struct err err = ERR_INIT;
    const char *cmd = NULL, *text = NULL;
    json_t *args = NULL, *tags = NULL;
    int64_t number = 7;
    bool truth = false;

    if (!control_read_request(request, &cmd, &args, &err)) {
        must(err.kind == ERR_PROTOCOL && err.text[0] != '\0');
        return;
    }
    must(cmd != NULL);
    if (args == NULL || !control_only_keys(args, keys, &err))
        return;
    (void)control_opt_string(args, "reason", &text, &err);
    (void)control_get_string(args, "id", &text, &err);
    (void)control_opt_bool(args, "pin", &truth, &err);
    (void)control_opt_object(args, "tags", &tags, &err);
    if (control_get_int(args, "keep_ms", 0, 1000, &number, &err))
        must(number >= 0 && number <= 1000);
    else
        must(number == 7);
}

/* Nothing on a page can move a cursor or is no text. */
static void check_page(const struct cli_page *page)
{
    const char *text = buf_text(&page->text);
    uint32_t point = 0;

    must(!page->broken);
    for (size_t at = 0; at < page->text.len;) {
        size_t step = utf8_next(text + at, page->text.len - at, &point);
        must(step > 0);
        must(point == '\n' || (point >= 0x20 && point < 0x7f) || point >= 0xa0);
        at += step;
    }
}

/* As `stillpoint list` takes rows: of backups, of nodes, and as JSON that nobody reads. */
static void take_rows(const json_t *rows, bool by_node)
{
    const struct cli_options options = {.quiet = true, .all_nodes = true, .by_node = by_node};
    const struct cli cli = {.options = &options, .look = {.columns = 80, .unicode = true}};
    struct cli_list list;
    const json_t *row;
    size_t i;

    cli_list_begin(&list, &cli);
    json_array_foreach(rows, i, row) cli_list_row(&list, row, 0);
    must(cli_list_end(&list, json_array_get(rows, 0), 0));
    check_page(&list.page);
    cli_list_free(&list);
}

static void take_event(const json_t *event)
{
    struct cli_page page = CLI_PAGE_INIT(((struct cli_look){.columns = 80, .unicode = true}));
    struct cli_progress progress = {.file = NULL};
    const json_t *data = json_object_get(event, "data");

    cli_progress_take(&progress, event, 0);
    cli_progress_line(&progress, 5000, &page);
    cli_show_backup(&page, data);
    cli_show_made(&page, data);
    take_rows(json_object_get(event, "rows"), false);
    take_rows(json_object_get(event, "rows"), true);
    cli_show_plan(&page, data);
    cli_status_show(&page, data, 0);
    cli_status_check(&page, event);
    cli_status_verdict(&page, json_object_get(event, "rows"));
    check_page(&page);
    cli_page_free(&page);
}

static void take_stream(const char *bytes, size_t len, size_t chunk, size_t line_max,
                        void (*take)(const json_t *))
{
    struct control_lines lines = CONTROL_LINES_INIT(line_max);
    struct err err = ERR_INIT;
    const char *line;
    size_t line_len;

    for (size_t at = 0; at < len; at += chunk) {
        must(control_lines_push(&lines, bytes + at, len - at < chunk ? len - at : chunk, &err));
        for (;;) {
            json_t *object = NULL;
            if (!control_lines_pop(&lines, &line, &line_len, &err)) {
                must(err.kind == ERR_LIMIT);
                control_lines_free(&lines);
                return;
            }
            if (line == NULL)
                break;
            must(line_len <= line_max);
            if (!control_parse(line, line_len, &object, &err))
                continue;
            writes_back(object);
            take(object);
            json_decref(object);
        }
    }
    must(control_lines_rest(&lines) <= len);
    control_lines_free(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t chunk = (size_t)data[0] * 8 + 1;

    take_stream((const char *)data + 1, size - 1, chunk, 512, take_request);
    take_stream((const char *)data + 1, size - 1, chunk, CONTROL_ANSWER_BYTES_MAX, take_event);
    return 0;
}
