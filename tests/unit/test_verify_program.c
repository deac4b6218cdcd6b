/* SPDX-License-Identifier: BSD-2-Clause */
/* Which installed server is started on a copy, and what is said where none is right. */
#include "agent/daemon/verify_program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MARIADB_10_11 "/usr/sbin/mariadbd\t Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu\n"
#define MARIADB_11_8                                                                               \
    "/usr/bin/mariadbd\t Ver 11.8.9-MariaDB-4 from Debian for debian-linux-gnu on x86_64\n"
#define MYSQL_9     "/usr/sbin/mysqld\t Ver 9.7.4-2 for Linux on x86_64 ((Debian))\n"
#define MYSQL_8_0   "/usr/local/mysql/bin/mysqld\t Ver 8.0.36 for Linux on x86_64 (MySQL Community)\n"
#define MYSQL_5_7   "/usr/sbin/mysqld\t Ver 5.7.44-log for Linux on x86_64 (Source)\n"
#define PERCONA_8_0 "/usr/sbin/mysqld\t Ver 8.0.36-28 for Linux on x86_64 (Percona Server (GPL))\n"

static struct verify_program program;
static char why[VERIFY_PROGRAM_WHY_BYTES];

static void is_picked(const char *lines, const char *recorded, enum verify_program_fit fit,
                      const char *path)
{
    enum verify_program_fit got = verify_program_pick(lines, recorded, &program, why);

    if (got != fit)
        fail_msg("%s of %s: %d", recorded, lines, (int)got);
    assert_int_equal(program.fit, fit);
    if (path != NULL)
        assert_string_equal(program.path, path);
}

static void the_sets_own_version_goes_first(void **state)
{
    (void)state;
    is_picked(MARIADB_10_11 MYSQL_9, "9.7.4-2", VERIFY_PROGRAM_SAME, "/usr/sbin/mysqld");
    assert_string_equal(program.version, "9.7.4-2");
    is_picked(MYSQL_9 MARIADB_10_11 MARIADB_11_8, "11.8.9-MariaDB-4-log", VERIFY_PROGRAM_SAME,
              "/usr/bin/mariadbd");
    is_picked(MYSQL_5_7, "5.7.44-log", VERIFY_PROGRAM_SAME, "/usr/sbin/mysqld");
    is_picked(PERCONA_8_0 MYSQL_8_0, "8.0.36-28", VERIFY_PROGRAM_SAME, "/usr/sbin/mysqld");
}

static void mariadb_of_the_same_series_fits(void **state)
{
    (void)state;
    is_picked(MARIADB_11_8 MARIADB_10_11, "10.11.6-MariaDB", VERIFY_PROGRAM_FITS,
              "/usr/sbin/mariadbd");
    is_picked(MARIADB_10_11, "10.11.21-MariaDB", VERIFY_PROGRAM_FITS, "/usr/sbin/mariadbd");
}

static void a_later_mysql_of_the_series_may_refuse_and_an_earlier_one_does(void **state)
{
    (void)state;
    is_picked(MYSQL_8_0, "8.0.28-0ubuntu0.20.04.3", VERIFY_PROGRAM_UNSURE,
              "/usr/local/mysql/bin/mysqld");
    is_picked(MYSQL_8_0, "8.0.37", VERIFY_PROGRAM_NONE, NULL);
}

static void other_kinds_and_series_are_named_and_not_taken(void **state)
{
    (void)state;
    is_picked(MARIADB_10_11 MYSQL_8_0, "9.7.4-2", VERIFY_PROGRAM_NONE, NULL);
    assert_string_equal(why, "the set is of MySQL 9.7.4-2, and installed is MariaDB "
                             "10.11.19-MariaDB-0+deb12u1, MySQL 8.0.36: verify it on a node that "
                             "has MySQL 9.7, or install that as well");
    is_picked(MARIADB_11_8, "10.11.19-MariaDB", VERIFY_PROGRAM_NONE, NULL);
    is_picked(MARIADB_10_11, "11.8.9-MariaDB", VERIFY_PROGRAM_NONE, NULL);
    is_picked(MYSQL_9, "5.5.5-10.11.19-MariaDB", VERIFY_PROGRAM_NONE, NULL);
    is_picked(MYSQL_8_0, "8.4.2", VERIFY_PROGRAM_NONE, NULL);
}

static void an_unknown_set_gets_the_first_and_is_unsure(void **state)
{
    (void)state;
    is_picked(MARIADB_10_11 MYSQL_9, NULL, VERIFY_PROGRAM_UNSURE, "/usr/sbin/mariadbd");
    is_picked(MYSQL_9, "?", VERIFY_PROGRAM_UNSURE, "/usr/sbin/mysqld");
}

static void what_is_no_line_is_passed_over(void **state)
{
    char line[4096];

    (void)state;
    is_picked("", "9.7.4", VERIFY_PROGRAM_NONE, NULL);
    is_picked("", NULL, VERIFY_PROGRAM_NONE, NULL);
    is_picked("\n\t\n/a\t\nVer 9.7.4\n/b\tVer 9.7.4\n/c\t Ver nine\n", "9.7.4", VERIFY_PROGRAM_NONE,
              NULL);
    memset(line, 'x', sizeof(line));
    (void)snprintf(line + sizeof(line) - 20, 20, "\t Ver 9.7.4\n");
    is_picked(line, "9.7.4", VERIFY_PROGRAM_NONE, NULL);
    is_picked(MYSQL_9 "/d\t Ver 9.7", "9.7.4", VERIFY_PROGRAM_SAME, "/usr/sbin/mysqld");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sets_own_version_goes_first),
        cmocka_unit_test(mariadb_of_the_same_series_fits),
        cmocka_unit_test(a_later_mysql_of_the_series_may_refuse_and_an_earlier_one_does),
        cmocka_unit_test(other_kinds_and_series_are_named_and_not_taken),
        cmocka_unit_test(an_unknown_set_gets_the_first_and_is_unsure),
        cmocka_unit_test(what_is_no_line_is_passed_over),
    };

    return cmocka_run_group_tests_name("verify_program", tests, NULL, NULL);
}
