/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_progress.h"

#include <inttypes.h>
#include <string.h>

#include "agent/base/parse.h"

enum { BAR_CELLS = 20 };

struct words {
    const char *step, *text;
};

static const struct words step_words[] = {
    {"look", "looking for a recent backup"},
    {"identify", "asking who this node is"},
    {"plan", "finding volumes and mounts"},
    {"ready", "getting ready"},
    {"hold", "holding"},
    {"cut", "recording the instant"},
    {"release", "letting go"},
    {"attest", "proving what was held"},
    {"finish", "waiting for the snapshots"},
};

static void copy(char *room, size_t bytes, const char *text)
{
    (void)snprintf(room, bytes, "%s", text);
    parse_cut_utf8(room, bytes, bytes - 1);
}

void cli_progress_take(struct cli_progress *progress, const json_t *event, int64_t now_boot_ms)
{
    const char *name = cli_str(event, "event"), *step = cli_str(event, "step");
    bool is_progress = name != NULL && strcmp(name, "progress") == 0;

    if (name == NULL || step == NULL || (!is_progress && strcmp(name, "step") != 0))
        return;
    if (strcmp(progress->step, step) != 0) {
        copy(progress->step, sizeof(progress->step), step);
        progress->since_ms = now_boot_ms;
        progress->done = progress->total = 0;
        progress->text[0] = '\0';
        for (size_t i = 0; i < sizeof(step_words) / sizeof(step_words[0]); i++) {
            if (strcmp(step_words[i].step, step) == 0)
                copy(progress->text, sizeof(progress->text), step_words[i].text);
        }
    }
    if (!is_progress)
        return;
    if (!cli_int(event, "done", &progress->done) || !cli_int(event, "total", &progress->total))
        progress->done = progress->total = 0;
    if (cli_str(event, "text") != NULL)
        copy(progress->text, sizeof(progress->text), cli_str(event, "text"));
}

void cli_progress_line(const struct cli_progress *progress, int64_t now_boot_ms,
                       struct cli_page *page)
{
    bool unicode = page->look.unicode;
    char span[CLI_TIME_BYTES];

    cli_page_clean(page, progress->step);
    cli_page_text(page, "  ");
    if (progress->total > 0) {
        double part = (double)progress->done / (double)progress->total;
        part = part < 0 ? 0 : part > 1 ? 1 : part;
        int full = (int)(part * BAR_CELLS);
        cli_page_text(page, "[");
        cli_page_repeat(page, unicode ? "█" : "#", full);
        cli_page_repeat(page, unicode ? "░" : ".", BAR_CELLS - full);
        cli_page_printf(page, "] %3d%%  ", (int)(part * 100));
    }
    cli_page_clean(page, progress->text);
    if (now_boot_ms - progress->since_ms >= 2000)
        cli_page_printf(page, "  %s", cli_span((now_boot_ms - progress->since_ms) / 1000, span));
    if (page->text.data != NULL) { /* a line that wraps could not be written over */
        parse_cut_utf8(page->text.data, (size_t)page->look.columns - 1, page->text.len);
        page->text.len = strlen(page->text.data);
    }
}

void cli_progress_draw(struct cli_progress *progress, int64_t now_boot_ms)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(progress->look);
    struct err ignored = ERR_INIT; /* a line of progress that can't be written is no failure */

    if (progress->file == NULL || progress->step[0] == '\0')
        return;
    cli_progress_line(progress, now_boot_ms, &page);
    (void)fputs("\r\033[K", progress->file);
    (void)cli_page_write(&page, progress->file, &ignored);
    progress->shown = true;
}

void cli_progress_clear(struct cli_progress *progress)
{
    if (progress->file == NULL || !progress->shown)
        return;
    (void)fputs("\r\033[K", progress->file);
    (void)fflush(progress->file);
    progress->shown = false;
}
