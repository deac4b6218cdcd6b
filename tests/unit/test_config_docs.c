/* SPDX-License-Identifier: BSD-2-Clause */
/* What is written about the configuration is what the table of keys says: stillpoint.conf(5) and
 * the files of conf.d, both ways. Reads them from the folder that the tests run in. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/auto.h"
#include "agent/base/buf.h"
#include "agent/base/fileio.h"
#include "agent/base/parse.h"
#include "agent/daemon/config.h"
#include "agent/daemon/config_keys.h"
#include "agent/daemon/config_values.h"

#define PAGE "packaging/man/stillpoint.conf.5"

enum { TEXT_BYTES_MAX = 256 * 1024, KEYS_MAX = 64, WORD_BYTES = 64, VALUE_BYTES = 256 };

/* How often each key was met, by kind and place in its table. */
struct met {
    unsigned count[CONFIG_KIND_COUNT][KEYS_MAX];
};

static void read_whole(const char *path, struct buf *text)
{
    struct err err = ERR_INIT;

    if (!fileio_read(path, text, &err))
        fail_msg("%s: the tests run in the folder of the sources", err.text);
}

/* "[mysql], [mysql NAME]", "[hook NAME]": the kind of the first; false for any other text. */
static bool kind_of_heading(const char *line, enum config_kind *ret_kind)
{
    char word[WORD_BYTES];
    const char *open = strchr(line, '[');

    if (open == NULL)
        return false;
    (void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(open + 1, " ]"), open + 1);
    if (!config_kind_by_name(word, ret_kind))
        fail_msg("[%s] is no section of config_keys.c", word);
    return true;
}

static const struct config_key *meet(struct met *met, enum config_kind kind, const char *name,
                                     const char *where)
{
    const struct config_kind_info *info = config_kind_info(kind);
    const struct config_key *key = config_key_by_name(kind, name);

    if (key == NULL)
        fail_msg("%s: %s is no key of [%s] in config_keys.c", where, name, info->name);
    size_t at = (size_t)(key - info->keys);
    assert_true(at < KEYS_MAX);
    met->count[kind][at]++;
    return key;
}

static void each_was_met_once(const struct met *met, const char *where)
{
    for (size_t kind = 0; kind < CONFIG_KIND_COUNT; kind++) {
        const struct config_kind_info *info = config_kind_info((enum config_kind)kind);
        for (size_t i = 0; i < info->key_count; i++) {
            if (met->count[kind][i] != 1)
                fail_msg("%s: [%s] %s stands there %u times, once is right", where, info->name,
                         info->keys[i].name, met->count[kind][i]);
        }
    }
}

/* --- the page --------------------------------------------------------------------------------- */

/* Takes the typesetting out of a line of the page, in place. */
static void plain(char *line)
{
    char *to = line;

    for (const char *from = line; *from != '\0';) {
        if (strncmp(from, "\\f", 2) == 0 && from[2] != '\0')
            from += 3;
        else if (strncmp(from, "\\&", 2) == 0)
            from += 2;
        else if (*from == '\\' && from[1] != '\0')
            from++, *to++ = *from++;
        else
            *to++ = *from++;
    }
    *to = '\0';
}

static int64_t number_of(const struct config_key *key, const char *text)
{
    struct err err = ERR_INIT;
    int64_t value = -1;
    bool ok = key->read == config_value_duration
                  ? parse_duration_ms(text, 0, INT64_MAX, &value, &err)
                  : parse_int64(text, 0, INT64_MAX, &value, &err);

    if (!ok)
        fail_msg(PAGE ": %s: '%s': %s", key->name, text, err.text);
    return value;
}

/* "Default: 10s; from 2s to 60s." */
static void judge_default(const struct config_key *key, const char *line)
{
    char value[VALUE_BYTES] = "", low[WORD_BYTES] = "", high[WORD_BYTES] = "";
    bool ranged = key->read == config_value_duration || key->read == config_value_number;
    int got = sscanf(line, "Default: %255[^;]; from %63[^ ] to %63[^ ]", value, low, high);

    if (got != (ranged ? 3 : 1))
        fail_msg(PAGE ": %s: '%s' is not as \"Default: %s%s.\"", key->name, line,
                 *key->fallback ? key->fallback : "empty", ranged ? "; from MIN to MAX" : "");
    char *end = ranged ? high : value;
    assert_true(end[strlen(end) - 1] == '.');
    end[strlen(end) - 1] = '\0';
    if (strcmp(value, *key->fallback ? key->fallback : "empty") != 0)
        fail_msg(PAGE ": %s: the default is '%s', not '%s'", key->name, key->fallback, value);
    if (ranged && (number_of(key, low) != key->min || number_of(key, high) != key->max))
        fail_msg(PAGE ": %s: from %s to %s is not its range", key->name, low, high);
}

static void the_page_has_each_key_with_its_default_and_range(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(TEXT_BYTES_MAX);
    struct met met = {.count = {{0}}};
    const struct config_key *key = NULL;
    enum config_kind kind = CONFIG_AWS;
    bool in_sections = false, example = false;
    char *rest;

    read_whole(PAGE, &text);
    AUTO_FREE char *copy = strdup(buf_text(&text));
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char name[WORD_BYTES];
        plain(line);
        if (strncmp(line, ".SH ", 4) == 0)
            in_sections = strcmp(line, ".SH SECTIONS") == 0;
        example = (example || strcmp(line, ".EX") == 0) && strcmp(line, ".EE") != 0;
        if (!in_sections || example)
            continue;
        if (strncmp(line, ".SS ", 4) == 0 || strncmp(line, ".TP", 3) == 0) {
            if (key != NULL)
                fail_msg(PAGE ": %s: no line with its default", key->name);
            if (line[1] == 'S' && !kind_of_heading(line, &kind))
                fail_msg(PAGE ": '%s' names no section", line);
        }
        if (sscanf(line, ".BI \"%63[a-z0-9_] = ", name) == 1)
            key = meet(&met, kind, name, PAGE);
        if (strncmp(line, "Default: ", 9) == 0) {
            if (key == NULL)
                fail_msg(PAGE ": '%s' belongs to no key", line);
            judge_default(key, line);
            key = NULL;
        }
    }
    each_was_met_once(&met, PAGE);
}

static void each_example_of_the_page_is_accepted_and_has_each_key(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(TEXT_BYTES_MAX);
    AUTO_BUF struct buf example = BUF_INIT(TEXT_BYTES_MAX);
    struct met met = {.count = {{0}}};
    struct config *config = NULL;
    enum config_kind kind = CONFIG_AWS;
    struct err err = ERR_INIT;
    bool inside = false;
    char *rest;

    read_whole(PAGE, &text);
    AUTO_FREE char *copy = strdup(buf_text(&text));
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char name[WORD_BYTES];
        inside = (inside || strcmp(line, ".EX") == 0) && strcmp(line, ".EE") != 0;
        if (!inside || line[0] == '.')
            continue;
        plain(line);
        assert_true(buf_printf(&example, &err, "%s\n", line));
        if (line[0] == '[')
            (void)kind_of_heading(line, &kind);
        else if (sscanf(line, "%63[a-z0-9_] =", name) == 1 && strchr(line, '=') != NULL)
            (void)meet(&met, kind, name, PAGE ", examples");
    }
    each_was_met_once(&met, PAGE ", examples");
    if (!config_from_text("example", buf_text(&example), example.len, &config, &err))
        fail_msg(PAGE ": %s (%s)", err.text, err.remedy);
    config_free(config);
}

/* --- conf.d -------------------------------------------------------------------------------------
 */

/* "#key = value" and "#[section]" without the sign; any other comment is no part of it. */
static bool uncommented(const char *line, char *ret_line, size_t size)
{
    const char *text = *line == '#' ? line + 1 : line;
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");

    (void)snprintf(ret_line, size, "%s", text);
    return *text == '[' || (len > 0 && strncmp(text + len, " =", 2) == 0);
}

static void judge_file(const char *path, struct met *met)
{
    AUTO_BUF struct buf text = BUF_INIT(TEXT_BYTES_MAX);
    AUTO_BUF struct buf made = BUF_INIT(TEXT_BYTES_MAX);
    struct config *config = NULL;
    enum config_kind kind = CONFIG_AWS;
    struct err err = ERR_INIT;
    char *rest;

    read_whole(path, &text);
    if (!config_from_text(path, buf_text(&text), text.len, &config, &err))
        fail_msg("%s: as it is: %s (%s)", path, err.text, err.remedy);
    for (size_t i = 0; i < config->entry_count; i++) {
        if (strcmp(config->entries[i].origin, "default") != 0)
            fail_msg("%s: sets %s", path, config->entries[i].key);
    }
    assert_int_equal(config->hook_count, 0);
    assert_false(config->mysql[0].configured);
    config_free(config);
    config = NULL;
    AUTO_FREE char *copy = strdup(buf_text(&text));
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char bare[VALUE_BYTES], name[WORD_BYTES], value[VALUE_BYTES] = "";
        if (!uncommented(line, bare, sizeof(bare)))
            continue;
        assert_true(buf_printf(&made, &err, "%s\n", bare));
        if (bare[0] == '[') {
            (void)kind_of_heading(bare, &kind);
            continue;
        }
        assert_in_range(sscanf(bare, "%63[^ ] = %255[^\n]", name, value), 1, 2);
        const struct config_key *key = meet(met, kind, name, path);
        if (strcmp(value, key->fallback) != 0)
            fail_msg("%s: %s: the default is '%s', not '%s'", path, name, key->fallback, value);
    }
    if (!config_from_text(path, buf_text(&made), made.len, &config, &err))
        fail_msg("%s: without the #: %s (%s)", path, err.text, err.remedy);
    config_free(config);
}

static void conf_d_has_each_key_once_with_its_default_and_sets_none(void **state)
{
    (void)state;
    struct met met = {.count = {{0}}};
    glob_t found;

    assert_int_equal(glob("conf.d/*.conf", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        judge_file(found.gl_pathv[i], &met);
    globfree(&found);
    each_was_met_once(&met, "conf.d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_has_each_key_with_its_default_and_range),
        cmocka_unit_test(each_example_of_the_page_is_accepted_and_has_each_key),
        cmocka_unit_test(conf_d_has_each_key_once_with_its_default_and_sets_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
