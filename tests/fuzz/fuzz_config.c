/* SPDX-License-Identifier: BSD-2-Clause */
/* A configuration file of any bytes: each key is read into its section's struct, or the file is
 * refused with a sentence that names the line. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/daemon/config.h"
#include "agent/daemon/config_show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

/* One item of a list can be longer than fits behind its key. */
static int lines_fit(const char *text)
{
    for (; *text != '\0'; text += text[0] == '\n') {
        size_t len = strcspn(text, "\n");
        if (len > 190)
            return 0;
        text += len;
    }
    return 1;
}

/* What was taken is printed as a file that means the same. */
static void check_round(const struct config *config)
{
    struct buf text = BUF_INIT(1 << 20);
    struct config *again = NULL;
    struct err err = ERR_INIT;

    must(config_print(config, &text, &err));
    if (lines_fit(buf_text(&text))) {
        if (!config_from_text("y.conf", buf_text(&text), text.len, &again, &err)) {
            (void)fprintf(stderr, "%s\n%s", err.text, buf_text(&text));
            abort();
        }
        must(again->entry_count == config->entry_count);
        for (size_t i = 0; i < config->entry_count; i++)
            must(strcmp(again->entries[i].key, config->entries[i].key) == 0);
        must(again->backup.mounts.count == config->backup.mounts.count);
        must(again->backup.hold_deadline_ms == config->backup.hold_deadline_ms);
        must(again->hook_count == config->hook_count);
        config_free(again);
    }
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config = NULL;
    struct err err = ERR_INIT;

    if (config_from_text("x.conf", (const char *)data, size, &config, &err)) {
        check_round(config);
        config_free(config);
        return 0;
    }
    must(config == NULL && err.kind == ERR_CONFIG && strstr(err.text, "x.conf:") != NULL);
    return 0;
}
