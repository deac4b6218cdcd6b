/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/upgrade_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/base/tag.h"
#include "agent/base/utf8.h"
#include "agent/daemon/config.h"

#define V2 "VERSION 2\nAPT::Architecture=amd64\nDir=/\nRootDir=\nDPkg::Chroot-Directory=/\n\n"
#define V3 "VERSION 3\nAPT=\nDir=/\n\n"

/* The patterns are those that hold where nothing is configured. */
static struct config *defaults(void)
{
    struct config *config = NULL;
    struct err err = ERR_INIT;

    if (!config_from_text("x", "", 0, &config, &err))
        fail_msg("%s", err.text);
    return config;
}

/* Fails the test where TEXT can't be read; the list is the caller's. */
static struct upgrade_list parse(const char *text)
{
    struct config *config = defaults();
    struct upgrade_list list = {NULL, 0, 0, NULL};
    struct err err = ERR_INIT;

    if (!upgrade_list_parse(text, strlen(text), &config->upgrade.packages, &list, &err))
        fail_msg("%s", err.text);
    config_free(config);
    return list;
}

static void assert_reason(const char *text, const char *reason)
{
    struct upgrade_list list = parse(text);
    char got[UPGRADE_REASON_BYTES];

    assert_string_equal(upgrade_list_reason(&list, got), reason);
    upgrade_list_free(&list);
}

static void assert_none(const char *text)
{
    struct upgrade_list list = parse(text);

    assert_int_equal(list.count, 0);
    upgrade_list_free(&list);
}

static void refuses(const char *text, size_t len, const char *words)
{
    struct config *config = defaults();
    struct upgrade_list list = {NULL, 0, 0, NULL};
    struct err err = ERR_INIT;

    assert_false(upgrade_list_parse(text, len, &config->upgrade.packages, &list, &err));
    assert_int_equal(err.kind, ERR_PROTOCOL);
    if (strstr(err.text, words) == NULL)
        fail_msg("wanted '%s' in: %s", words, err.text);
    assert_true(err.remedy[0] != '\0');
    upgrade_list_free(&list);
    config_free(config);
}

static void an_upgrade_is_read_in_both_versions_of_the_protocol(void **state)
{
    (void)state;
    assert_reason(V2 "libc6 2.36-9 < 2.36-10 /var/cache/apt/archives/libc6.deb\n"
                     "kaltura-base 19.0.0-1 < 20.1.0-1 /var/cache/apt/archives/k b.deb\n"
                     "kaltura-base 19.0.0-1 < 20.1.0-1 **CONFIGURE**\n",
                  "before upgrade: kaltura-base 19.0.0-1 to 20.1.0-1");
    assert_reason(V3 "kaltura-base 19.0.0-1 all none < 20.1.0-1 all none /a.deb\n"
                     "kaltura-base 19.0.0-1 all none < 20.1.0-1 all none **CONFIGURE**\n",
                  "before upgrade: kaltura-base 19.0.0-1 to 20.1.0-1");
}

static void a_downgrade_and_a_removal_count_too(void **state)
{
    (void)state;
    assert_reason(V3 "kaltura-batch 20 all none > 19 all none /a.deb\n",
                  "before upgrade: kaltura-batch 20 back to 19");
    assert_reason(V3 "mariadb-server-10.5 1:10.5.2 amd64 none > - - none **REMOVE**\n",
                  "before upgrade: mariadb-server-10.5 1:10.5.2 removed");
}

static void what_is_new_or_put_in_again_or_configured_or_ours_does_not_count(void **state)
{
    (void)state;
    assert_none(V3 "kaltura-base - - none < 20.1 all none /a.deb\n");
    assert_none(V3 "kaltura-base 20.1 all none = 20.1 all none /a.deb\n");
    assert_none(V3 "kaltura-base 20.1 all none = 20.1 all none **CONFIGURE**\n");
    /* Unpacked by an earlier call, which asked. */
    assert_none(V3 "kaltura-base 19.0 all none < 20.1 all none **CONFIGURE**\n");
    assert_none(V2 "kaltura-base 19.0 < 20.1 **CONFIGURE**\n");
    assert_none(V3 "libc6 2.36-9 amd64 same < 2.36-10 amd64 same /a.deb\n");
    assert_none(V3);

    struct strs all = {NULL, 0};
    struct upgrade_list list = {NULL, 0, 0, NULL};
    struct err err = ERR_INIT;
    static const char ours[] = V2 "stillpoint 1 > - **REMOVE**\nstillpoint-kaltura 1 < 2 /a.deb\n"
                                  "stillpointer 1 < 2 /a.deb\n";
    assert_true(strs_add(&all, "*", &err));
    assert_true(upgrade_list_parse(ours, strlen(ours), &all, &list, &err));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].name, "stillpointer");
    upgrade_list_free(&list);
    strs_free(&all);
}

static void the_databases_of_every_vendor_are_among_the_defaults(void **state)
{
    static const char *const names[] = {"mysql-server-8.0",         "mysql-community-server",
                                        "mariadb-server-10.11",     "mariadb105-server",
                                        "MariaDB-server",           "percona-server-server",
                                        "Percona-Server-server-57", "elasticsearch",
                                        "kaltura-elasticsearch",    "sphinxsearch",
                                        "rabbitmq-server",          "kaltura-nginx"};
    static const char *const others[] = {"mysql-client", "mariadb-common", "sphinx-doc",
                                         "php8.2",       "xkaltura-base",  "libmariadb3"};
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(text, sizeof(text), V2 "%s 1 < 2 /a.deb\n", names[i]);
        struct upgrade_list list = parse(text);
        if (list.count != 1)
            fail_msg("%s does not count", names[i]);
        upgrade_list_free(&list);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        (void)snprintf(text, sizeof(text), V2 "%s 1 < 2 /a.deb\n", others[i]);
        assert_none(text);
    }
}

static void the_reason_begins_with_kalturas_own_each_once(void **state)
{
    (void)state;
    assert_reason(V3 "mysql-server 8.0.1 amd64 none < 8.0.2 amd64 none /m.deb\n"
                     "kaltura-front 1 all none < 2 all none /f.deb\n"
                     "kaltura-base 1 i386 none < 2 i386 none /b.deb\n"
                     "kaltura-base 1 amd64 none < 2 amd64 none /b.deb\n",
                  "before upgrade: kaltura-base 1 to 2, kaltura-front 1 to 2, "
                  "mysql-server 8.0.1 to 8.0.2");
}

/* Whatever there is of them, and however long: a tag takes it as it is. */
static void assert_fits(const char *text, size_t all)
{
    struct upgrade_list list = parse(text);
    char reason[UPGRADE_REASON_BYTES], rest[40];

    assert_int_equal(list.count + list.more, all);
    (void)upgrade_list_reason(&list, reason);
    assert_true(utf8_is_valid(reason));
    assert_true(utf8_count(reason) <= TAG_VALUE_CHARS_MAX);
    assert_non_null(strstr(reason, " to "));
    size_t shown = 1;
    for (const char *at = reason; (at = strstr(at, ", ")) != NULL; at++)
        shown++;
    (void)snprintf(rest, sizeof(rest), " and %zu more", all - shown);
    assert_true(shown == all || strcmp(reason + strlen(reason) - strlen(rest), rest) == 0);
    upgrade_list_free(&list);
}

static void a_reason_of_many_packages_is_cut_between_two(void **state)
{
    struct buf text = BUF_INIT(4 * 1024 * 1024);
    struct err err = ERR_INIT;

    (void)state;
    for (size_t count = 1; count < 40; count++) {
        buf_clear(&text);
        assert_true(buf_add_text(&text, V2, &err));
        for (size_t i = 0; i < count; i++)
            assert_true(buf_printf(&text, &err, "kaltura-%zu 19.0.%zu < 20.0.%zu /x\n", i, i, i));
        assert_fits(buf_text(&text), count);
    }
    buf_clear(&text);
    assert_true(buf_add_text(&text, V2, &err));
    for (size_t i = 0; i < UPGRADE_ITEMS_MAX + 5; i++)
        assert_true(buf_printf(&text, &err, "kaltura-%zu 1 < 2 /x\n", i));
    assert_fits(buf_text(&text), UPGRADE_ITEMS_MAX + 5);
    buf_free(&text);
}

static void a_long_version_is_cut_at_a_character(void **state)
{
    char text[4000] = V2 "kaltura-base ";

    (void)state;
    for (int i = 0; i < 300; i++)
        strcat(text, "ü");
    strcat(text, " < ");
    for (int i = 0; i < 300; i++)
        strcat(text, "日");
    strcat(text, " /a.deb\n");
    assert_fits(text, 1);
}

static void nothing_that_a_terminal_obeys_gets_through(void **state)
{
    static const char text[] = V2 "kaltura-\033]0;x\007\033[2J 1\r\t\177 < 2\xc2\x9b"
                                  "31m\xe2\x80\xae\xff /a.deb\n";

    (void)state;
    assert_reason(text, "before upgrade: kaltura-?]0;x??[2J 1??? to 2?31m??");
}

static void a_tree_that_is_not_this_system_is_seen(void **state)
{
    static const char *const lines[] = {
        "Dir=/mnt/image", "RootDir=/mnt/image", "DPkg::Chroot-Directory=/mnt/image",
        "DPkg::Options::=--root%3d/mnt/image", "dpkg::options::=--instdir%3D/mnt/image"};
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        (void)snprintf(text, sizeof(text), "VERSION 2\n%s\nDir::State=/x\n\n", lines[i]);
        struct upgrade_list list = parse(text);
        assert_non_null(list.root);
        assert_string_equal(list.root, "/mnt/image");
        upgrade_list_free(&list);
    }
    struct upgrade_list list = parse(V2);
    assert_null(list.root);
    upgrade_list_free(&list);
}

static void what_is_no_such_list_is_refused_with_its_line(void **state)
{
    static const char nul[] = "VERSION 2\n\nkaltura\0base\n";
    char text[2000] = V2;

    (void)state;
    refuses("", 0, "the list of packages is empty");
    refuses("/var/cache/apt/archives/a.deb\n", 30, "line 1");
    refuses("VERSION 4\n\n", 11, "VERSION");
    refuses("VERSION 2\nDir=/\n", 16, "before the empty line");
    refuses("VERSION 2\n\nkaltura-base 1 < 2\n", 30, "line 3: it has too few words");
    refuses("VERSION 3\n\nkaltura-base 1 < 2 /a.deb\n", 37, "line 3");
    refuses("VERSION 2\n\nkaltura-base 1 ~ 2 /a.deb\n", 37, "between the versions");
    refuses("VERSION 2\n\nkaltura-base 1 < 2 /a.d", 34, "in the middle");
    refuses("VERSION 2\n\n\n", 12, "too few words");
    refuses(nul, sizeof(nul) - 1, "too few words");
    memset(text + strlen(text), 'a', 1100);
    strcat(text, " 1 < 2 /a\n");
    refuses(text, strlen(text), "so long a name");
}

static void a_list_that_does_not_end_is_not_waited_for(void **state)
{
    struct buf text = BUF_INIT(1000), small = BUF_INIT(4);
    struct err err = ERR_INIT;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "VERSION 2\n", 10), 10);
    assert_false(upgrade_list_read(ends[0], clock_boot_ms() + 50, &text, &err));
    assert_int_equal(err.kind, ERR_DEADLINE);
    assert_string_equal(buf_text(&text), "VERSION 2\n");

    assert_int_equal(write(ends[1], "rest\n", 5), 5);
    assert_false(upgrade_list_read(ends[0], clock_boot_ms() + 5000, &small, &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    (void)close(ends[1]);
    assert_true(upgrade_list_read(ends[0], clock_boot_ms() + 5000, &text, &err));
    (void)close(ends[0]);
    buf_free(&text);
    buf_free(&small);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upgrade_is_read_in_both_versions_of_the_protocol),
        cmocka_unit_test(a_downgrade_and_a_removal_count_too),
        cmocka_unit_test(what_is_new_or_put_in_again_or_configured_or_ours_does_not_count),
        cmocka_unit_test(the_databases_of_every_vendor_are_among_the_defaults),
        cmocka_unit_test(the_reason_begins_with_kalturas_own_each_once),
        cmocka_unit_test(a_reason_of_many_packages_is_cut_between_two),
        cmocka_unit_test(a_long_version_is_cut_at_a_character),
        cmocka_unit_test(nothing_that_a_terminal_obeys_gets_through),
        cmocka_unit_test(a_tree_that_is_not_this_system_is_seen),
        cmocka_unit_test(what_is_no_such_list_is_refused_with_its_line),
        cmocka_unit_test(a_list_that_does_not_end_is_not_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
