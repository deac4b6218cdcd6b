/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_timeline.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    LEFT_COLUMNS = 29, /* "  hooks release      300.2 ms  " */
    CELLS_MAX = 100,
    CELLS_MIN = 10,
};

/* In the order in which they happen. */
enum step {
    STEP_HOOKS_HOLD,
    STEP_FREEZE,
    STEP_EXCHANGE,
    STEP_THAW,
    STEP_HOOKS_RELEASE,
    STEP_COUNT
};

struct span {
    double begin_ms, end_ms;
    bool known;
};

struct timeline {
    struct span steps[STEP_COUNT];
    double hold_ms;  /* how long writers could have waited; < 0: not known */
    double total_ms; /* the scale's end */
    int cells;
};

static const char *const step_keys[STEP_COUNT] = {"hooks_hold", "freeze", "exchange", "thaw",
                                                  "hooks_release"};
static const char *const step_names[STEP_COUNT] = {"hooks hold", "freeze", "exchange", "thaw",
                                                   "hooks release"};

/* Absurd numbers must not become absurd pictures. */
static bool duration(const json_t *timing, const char *key, double *ret_ms)
{
    double ms;

    if (!cli_num(timing, key, &ms) || !isfinite(ms) || ms < 0 || ms > 86400e3)
        return false;
    *ret_ms = ms;
    return true;
}

/* The steps up to the exchange follow each other from the beginning, those behind it end at the
 * hold's end: what lies between them was measured by no step and shows as a gap. */
static bool arrange(const json_t *timing, struct timeline *line)
{
    double took[STEP_COUNT] = {0}, sum = 0, at = 0;
    bool any = false;

    for (int i = 0; i < STEP_COUNT; i++) {
        line->steps[i].known = duration(timing, step_keys[i], &took[i]);
        any |= line->steps[i].known;
        sum += took[i];
    }
    if (!duration(timing, "hold", &line->hold_ms))
        line->hold_ms = -1;
    line->total_ms = line->hold_ms > sum ? line->hold_ms : sum;
    for (int i = 0; i <= STEP_EXCHANGE; i++) {
        line->steps[i].begin_ms = at;
        at += took[i];
        line->steps[i].end_ms = at;
    }
    at = line->total_ms;
    for (int i = STEP_COUNT - 1; i > STEP_EXCHANGE; i--) {
        line->steps[i].end_ms = at;
        at -= took[i];
        line->steps[i].begin_ms = at;
    }
    return any && line->total_ms > 0;
}

static int cell_at(const struct timeline *line, double ms)
{
    int cell = (int)(ms / line->total_ms * line->cells + 0.5);

    return cell < 0 ? 0 : cell > line->cells ? line->cells : cell;
}

static void put_label(struct cli_page *page, const char *name, double ms)
{
    cli_page_printf(page, "  %-13s  %8.1f ms  ", name, ms);
}

static void put_bar(struct cli_page *page, const struct timeline *line, enum step step)
{
    const struct span *span = &line->steps[step];
    int begin = cell_at(line, span->begin_ms), end = cell_at(line, span->end_ms);
    bool thin = (span->end_ms - span->begin_ms) / line->total_ms * line->cells < 0.5;

    if (begin >= line->cells)
        begin = line->cells - 1;
    put_label(page, step_names[step], span->end_ms - span->begin_ms);
    cli_page_printf(page, "%*s", begin, "");
    cli_page_style(page, step == STEP_EXCHANGE ? CLI_ACCENT : CLI_WARN);
    if (thin)
        cli_page_text(page, page->look.unicode ? "▏" : "|");
    else
        cli_page_repeat(page, page->look.unicode ? "█" : "#", end > begin ? end - begin : 1);
    cli_page_style(page, CLI_PLAIN);
    cli_page_text(page, "\n");
}

/* From the last freeze returned to the first thaw. */
static void put_still(struct cli_page *page, const struct timeline *line)
{
    double begin_ms = line->steps[STEP_FREEZE].end_ms, end_ms = line->steps[STEP_THAW].begin_ms;
    int begin = cell_at(line, begin_ms), end = cell_at(line, end_ms);

    if (!line->steps[STEP_FREEZE].known || !line->steps[STEP_THAW].known || end - begin < 2)
        return;
    put_label(page, "all still", end_ms - begin_ms);
    cli_page_printf(page, "%*s", begin, "");
    cli_page_text(page, page->look.unicode ? "├" : "[");
    cli_page_repeat(page, page->look.unicode ? "─" : "-", end - begin - 2);
    cli_page_text(page, page->look.unicode ? "┤\n" : "]\n");
}

/* The step of the scale: 1, 2 or 5 times a power of ten, so that about five fit. */
static double nice_step(double total_ms)
{
    double power = 0.001;

    while (power * 10 < total_ms / 5)
        power *= 10;
    double lead = total_ms / 5 / power;
    return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

static void put_scale(struct cli_page *page, const struct timeline *line)
{
    double step = nice_step(line->total_ms);
    char labels[CELLS_MAX + 32];
    bool marks[CELLS_MAX + 1] = {false};
    int used = 0; /* columns of labels[] that are taken */

    memset(labels, ' ', sizeof(labels));
    for (int i = 0; i * step <= line->total_ms * 1.0001 && i < 20; i++) {
        char text[24];
        int at = cell_at(line, i * step);
        int len = snprintf(text, sizeof(text), "%g%s", i * step, i == 0 ? " ms" : "");
        at = at < line->cells ? at : line->cells - 1;
        marks[at] = true;
        if (i > 0 && at <= used)
            continue; /* no room: the mark alone */
        memcpy(labels + at, text, (size_t)len);
        used = at + len;
    }
    labels[used] = '\0';
    cli_page_style(page, CLI_DIM);
    cli_page_printf(page, "%*s", LEFT_COLUMNS, "");
    for (int i = 0; i < line->cells; i++)
        cli_page_text(page, marks[i] ? (page->look.unicode ? "┴" : "+")
                                     : (page->look.unicode ? "─" : "-"));
    cli_page_printf(page, "\n%*s%s", LEFT_COLUMNS, "", labels);
    cli_page_style(page, CLI_PLAIN);
    cli_page_text(page, "\n");
}

static void put_window(struct cli_page *page, const json_t *backup)
{
    const json_t *window = json_object_get(backup, "window");
    char begin[CLI_TIME_BYTES], end[CLI_TIME_BYTES];
    int64_t begin_us, end_us;
    double error_ms;

    if (!cli_time(window, "begin", &begin_us) || !cli_time(window, "end", &end_us)) {
        cli_page_text(page, "  window   not measured\n");
        return;
    }
    const char *without_date = strchr(cli_local_time_us(end_us, end), ' ');
    cli_page_printf(page, "  window   %s to %s (%.1f ms)\n", cli_local_time_us(begin_us, begin),
                    without_date ? without_date + 1 : end, (double)(end_us - begin_us) / 1000);
    if (!cli_num(window, "clock_error_ms", &error_ms))
        cli_page_text(page, "  clock    how right it was is not known\n");
    else
        cli_page_printf(page, "  clock    right to within %.1f ms\n", error_ms);
}

void cli_timeline_draw(struct cli_page *page, const json_t *backup)
{
    struct timeline line = {.cells = page->look.columns - LEFT_COLUMNS - 1};

    line.cells = line.cells > CELLS_MAX   ? CELLS_MAX
                 : line.cells < CELLS_MIN ? CELLS_MIN
                                          : line.cells;
    cli_page_heading(page, "Hold");
    if (!arrange(json_object_get(backup, "timing_ms"), &line)) {
        cli_page_text(page, "  not measured\n");
        put_window(page, backup);
        return;
    }
    if (line.hold_ms >= 0)
        cli_page_printf(page, "  writers  waited %.1f ms at most\n", line.hold_ms);
    put_window(page, backup);
    cli_page_text(page, "\n");
    for (int i = 0; i < STEP_COUNT; i++) {
        if (line.steps[i].known)
            put_bar(page, &line, (enum step)i);
        else
            cli_page_printf(page, "  %-13s  %11s\n", step_names[i], "-");
        if (i == STEP_EXCHANGE)
            put_still(page, &line);
    }
    put_scale(page, &line);
}
