/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_complete.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/cli/cli_verbs.h"

enum { WORDS_MAX = 32 };

struct answer {
    char lines[8192];
    struct cli_complete_rest rest;
};

/* WORDS are split at blanks; "_" alone is the empty word. */
static const struct answer *ask(const char *words)
{
    static struct answer answer;
    static char room[1024];
    static char empty[] = "";
    AUTO_BUF struct buf lines = BUF_INIT(sizeof(answer.lines) - 1);
    char *argv[WORDS_MAX], *rest;
    struct err err = ERR_INIT;
    int argc = 0;

    (void)snprintf(room, sizeof(room), "%s", words);
    for (char *word = strtok_r(room, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = strcmp(word, "_") == 0 ? empty : word;
    assert_true(cli_complete(argc, argv, &lines, &answer.rest, &err));
    (void)snprintf(answer.lines, sizeof(answer.lines), "%s", buf_text(&lines));
    return &answer;
}

static bool has(const struct answer *answer, const char *word)
{
    size_t len = strlen(word);

    for (const char *line = answer->lines; *line != '\0';) {
        if (strncmp(line, word, len) == 0 && (line[len] == '\t' || line[len] == '\n'))
            return true;
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return false;
}

static void first_comes_a_command(void **state)
{
    (void)state;

    for (int i = 1; i < CLI_COMMAND_COUNT; i++) {
        assert_true(has(ask("_"), cli_verbs[i].name));
        assert_true(has(ask("--json --config /x _"), cli_verbs[i].name));
    }
    assert_true(has(ask("_"), "help"));
    assert_true(has(ask("_"), "version"));
    assert_true(has(ask("help _"), "backup"));
    assert_false(has(ask("help _"), "help"));
    assert_string_equal(ask("help run _")->lines, "");
    assert_string_equal(ask("version _")->lines, "");
    assert_false(has(ask("_"), "--json"));
    assert_string_equal(ask("nonsense _")->lines, "");
    assert_true(has(ask("-"), "--json"));
    assert_false(has(ask("-"), "--pin"));
}

static void options_are_the_commands_own_and_come_once_unless_they_are_a_list(void **state)
{
    (void)state;

    assert_true(has(ask("backup -"), "--pin"));
    assert_false(has(ask("backup -"), "--state"));
    assert_false(has(ask("backup --pin -"), "--pin"));
    assert_false(has(ask("backup --keep=3d -"), "--keep"));
    assert_false(has(ask("backup -n -"), "--dry-run"));
    assert_true(has(ask("backup --tag a=b -"), "--tag"));
    assert_true(has(ask("backup _"), "--pin")); /* no word can come */
    assert_string_equal(ask("backup -- _")->lines, "");
}

static void a_value_is_one_of_its_words_with_the_option_before_it_where_that_is_so(void **state)
{
    (void)state;

    assert_string_equal(ask("backup --wait _")->lines, "complete\t\ncut\t\n");
    assert_string_equal(ask("backup --wait=c")->lines, "--wait=complete\t\n--wait=cut\t\n");
    assert_string_equal(ask("restore instance x --wait _")->lines, "running\t\nnone\t\n");
    assert_true(has(ask("list --state _"), "broken"));
    assert_true(has(ask("iam-policy --role _"), "pruner"));
    assert_string_equal(ask("backup --reason _")->lines, "");
    assert_string_equal(ask("backup --nonsense=")->lines, "");
    assert_string_equal(ask("list --config _")->lines, ":files\n");
    assert_string_equal(ask("list --config=/et")->lines, ":files\n");
    assert_string_equal(ask("restore files x --to _")->lines, ":folders\n");
}

static void ids_are_asked_for_where_one_may_come_of_the_configuration_that_is_named(void **state)
{
    (void)state;

    assert_true(ask("show _")->rest.ids);
    assert_true(has(ask("show _"), "latest"));
    assert_null(ask("show _")->rest.config);
    assert_string_equal(ask("--config /x show _")->rest.config, "/x");
    assert_string_equal(ask("show --config=/y _")->rest.config, "/y");
    assert_false(ask("show sp-1 _")->rest.ids);
    assert_true(ask("delete sp-1 _")->rest.ids);
    assert_true(ask("rollback _")->rest.ids);
    assert_false(ask("show -")->rest.ids);
    assert_false(ask("release _")->rest.ids);
    assert_false(ask("list _")->rest.ids);
    assert_false(ask("restore _")->rest.ids);
    assert_true(ask("restore volumes _")->rest.ids);
}

static void kinds_come_before_the_id_and_files_behind_it(void **state)
{
    (void)state;

    assert_true(has(ask("restore _"), "instance"));
    assert_false(has(ask("restore _"), "latest"));
    assert_string_equal(ask("restore nonsense _")->lines, "");
    assert_true(has(ask("restore volumes -"), "--iops"));
    assert_false(has(ask("restore instance -"), "--iops"));
    assert_string_equal(ask("restore files sp-1 _")->lines, ":files\n");
    assert_string_equal(ask("restore files sp-1 /etc _")->lines, ":files\n");
}

/* Of whatever verb takes one. */
static void a_command_of_the_system_is_the_shells_own_to_complete(void **state)
{
    (void)state;

    for (int i = 1; i < CLI_COMMAND_COUNT; i++) {
        char words[64];
        if (cli_verbs[i].argument == NULL || strstr(cli_verbs[i].argument, "COMMAND") == NULL)
            continue;
        (void)snprintf(words, sizeof(words), "%s --json -- _", cli_verbs[i].name);
        assert_string_equal(ask(words)->lines, ":command 4\n");
        (void)snprintf(words, sizeof(words), "%s -- apt install -", cli_verbs[i].name);
        assert_string_equal(ask(words)->lines, ":command 3\n");
        (void)snprintf(words, sizeof(words), "%s apt --", cli_verbs[i].name);
        assert_string_equal(ask(words)->lines, ":command 2\n");
        (void)snprintf(words, sizeof(words), "%s -", cli_verbs[i].name);
        assert_true(has(ask(words), "--json"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_comes_a_command),
        cmocka_unit_test(options_are_the_commands_own_and_come_once_unless_they_are_a_list),
        cmocka_unit_test(a_value_is_one_of_its_words_with_the_option_before_it_where_that_is_so),
        cmocka_unit_test(ids_are_asked_for_where_one_may_come_of_the_configuration_that_is_named),
        cmocka_unit_test(kinds_come_before_the_id_and_files_behind_it),
        cmocka_unit_test(a_command_of_the_system_is_the_shells_own_to_complete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
