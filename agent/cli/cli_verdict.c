/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_verdict.h"

#include <string.h>

static void show_plan(struct cli_page *page, const json_t *plan)
{
    const json_t *volume;
    size_t i;

    cli_page_text(page, "would make and attach, and remove again:\n");
    json_array_foreach(json_object_get(plan, "volumes"), i, volume)
    {
        cli_page_text(page, "  ");
        cli_page_clean(page, cli_str(volume, "device"));
        cli_page_text(page, "  of ");
        cli_page_clean(page, cli_str(volume, "snapshot"));
        cli_page_text(page, " (");
        cli_page_clean(page, cli_str(volume, "source_device"));
        cli_page_text(page, ") in ");
        cli_page_clean(page, cli_str(plan, "zone"));
        cli_page_text(page, "\n");
    }
}

void cli_verdict_show(struct cli_page *page, const json_t *data)
{
    const char *outcome = cli_str(data, "outcome");
    const json_t *plan = json_object_get(data, "plan");
    bool good = outcome != NULL && strcmp(outcome, "ok") == 0;
    bool bad = outcome != NULL && strcmp(outcome, "failed") == 0;
    double took_ms;

    if (outcome != NULL && strcmp(outcome, "dry-run") == 0 &&
        json_is_true(json_object_get(data, "skipped"))) {
        cli_page_text(page, "would not look at ");
        cli_page_clean(page, cli_str(data, "id"));
        cli_page_text(page, " again, whose verdict is: ");
        cli_page_clean(page, cli_str(data, "verified"));
        cli_page_text(page, " (--again does)\n");
        return;
    }
    if (plan != NULL) {
        show_plan(page, plan);
        return;
    }
    cli_page_clean(page, cli_str(data, "id"));
    cli_page_text(page, ": ");
    cli_page_styled(page, good ? CLI_GOOD : bad ? CLI_BAD : CLI_WARN, cli_str(data, "verified"));
    if (json_is_true(json_object_get(data, "skipped")))
        cli_page_text(page, " (not looked at again: --again does)");
    else if (cli_num(data, "took_ms", &took_ms))
        cli_page_printf(page, " (%.1f s)", took_ms / 1000);
    cli_page_text(page, "\n");
}
