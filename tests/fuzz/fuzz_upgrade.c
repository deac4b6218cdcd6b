/* SPDX-License-Identifier: BSD-2-Clause */
/* A package manager's list of any bytes: what is kept can be shown, and its reason fits a tag. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/tag.h"
#include "agent/base/utf8.h"
#include "agent/cli/upgrade_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

static void check_text(const char *text)
{
    must(utf8_is_valid(text));
    for (; *text != '\0'; text++)
        must((unsigned char)*text >= ' ' && *text != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *const patterns[] = {(char *)(uintptr_t) "kaltura-*", (char *)(uintptr_t) "my*-s[a-z]*er*",
                              (char *)(uintptr_t) "*"};
    const struct strs packages = {(char **)(uintptr_t)patterns, 1 + size % 3};
    struct upgrade_list list = {NULL, 0, 0, NULL};
    struct err err = ERR_INIT;
    char reason[UPGRADE_REASON_BYTES];

    if (!upgrade_list_parse((const char *)data, size, &packages, &list, &err)) {
        must(err.kind == ERR_PROTOCOL && utf8_is_valid(err.text));
        upgrade_list_free(&list);
        return 0;
    }
    for (size_t i = 0; i < list.count; i++) {
        check_text(list.items[i].name);
        check_text(list.items[i].old_version);
        must((list.items[i].new_version == NULL) == (list.items[i].kind == UPGRADE_REMOVAL));
        must(strncmp(list.items[i].name, "stillpoint-", 11) != 0);
        must(list.items[i].rank < packages.count);
    }
    if (list.count > 0) {
        check_text(upgrade_list_reason(&list, reason));
        must(utf8_count(reason) <= TAG_VALUE_CHARS_MAX);
    }
    must(list.root == NULL || list.root[0] != '\0');
    upgrade_list_free(&list);
    return 0;
}
