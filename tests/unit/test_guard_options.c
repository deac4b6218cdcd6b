/* SPDX-License-Identifier: BSD-2-Clause */
/* The guard's command line, its line of the configuration, and its way to systemd. */
#include "agent/guard/guard_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/guard/guard_notify.h"

static char folder[64], config[128], error[GUARD_PATH_BYTES];
static struct guard_options options;

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/stillpoint-options.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(config, sizeof(config), "%s/stillpoint.conf", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(config);
    return rmdir(folder);
}

static void write_config(const char *text)
{
    FILE *file = fopen(config, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(config, 0600), 0);
}

static bool reads(const char *const *arguments)
{
    char *argv[16] = {(char *)"stillpoint-guard"};
    int argc = 1;

    for (; arguments[argc - 1] != NULL; argc++)
        argv[argc] = (char *)arguments[argc - 1];
    error[0] = '\0';
    return guard_options_read(argc, argv, &options, error);
}

#define READS(...) reads((const char *const[]){__VA_ARGS__, NULL})

static void a_value_follows_or_is_joined(void **state)
{
    (void)state;
    write_config("[paths]\nrun = /run/a\n");
    assert_true(READS("--config", config, "--user=nobody", "--rcu-expedited", "/x", "--thaw"));
    assert_string_equal(options.user, "nobody");
    assert_true(options.is_user_named && options.thaw);
    assert_string_equal(options.rcu_path, "/x");
    assert_string_equal(options.socket, "/run/a/guard.sock");
    assert_string_equal(options.record, "/run/a/guard.lease");
}

static void what_is_unknown_or_without_a_value_is_named(void **state)
{
    (void)state;
    assert_false(READS("--user"));
    assert_non_null(strstr(error, "--user: unknown, or its value is missing"));
    assert_false(READS("--users", "x"));
    assert_non_null(strstr(error, "--users"));
    assert_false(READS("extra"));
    assert_true(READS("--help"));
    assert_true(READS("--version", "--thaw"));
}

static void paths_are_absolute_and_fit(void **state)
{
    char longer[GUARD_SOCKET_PATH_BYTES + 8] = "/";
    (void)state;

    write_config("");
    memset(longer + 1, 'x', sizeof(longer) - 2);
    assert_false(READS("--config", config, "--socket", "guard.sock"));
    assert_non_null(strstr(error, "must be absolute"));
    assert_false(READS("--config", config, "--record", "guard.lease"));
    assert_false(READS("--config", config, "--socket", longer));
    assert_true(READS("--config", config, "--record", longer));
}

static void the_configuration_is_refused_by_name(void **state)
{
    char folder_conf[160];
    (void)state;

    write_config("[paths]\nrun = here\n");
    assert_false(READS("--config", config));
    assert_non_null(strstr(error, "stillpoint.conf:2: [paths] run: not an absolute path"));
    write_config("");
    assert_int_equal(chmod(config, 0622), 0);
    assert_false(READS("--config", config));
    assert_non_null(strstr(error, "writable by others"));
    assert_int_equal(unlink(config), 0);
    assert_false(READS("--config", config));
    assert_non_null(strstr(error, "No such file"));
    write_config("");
    (void)snprintf(folder_conf, sizeof(folder_conf), "%s/conf.d", folder);
    assert_int_equal(mkdir(folder_conf, 0700), 0);
    assert_int_equal(chmod(folder_conf, 0722), 0);
    assert_false(READS("--config", config));
    assert_non_null(strstr(error, "conf.d: is writable by others"));
    assert_int_equal(rmdir(folder_conf), 0);
}

static void nothing_stays_frozen_for_a_fault_in_the_configuration(void **state)
{
    (void)state;
    write_config("[paths]\nrun = /run/there\n[mysql\nx\n");
    assert_int_equal(chmod(config, 0666), 0);
    assert_false(READS("--config", config));
    assert_true(READS("--config", config, "--thaw"));
    assert_string_equal(options.record, "/run/there/guard.lease");
    char folder_conf[160], odd[3][200];
    (void)snprintf(folder_conf, sizeof(folder_conf), "%s/conf.d", folder);
    assert_int_equal(mkdir(folder_conf, 0755), 0);
    for (int i = 0; i < 3; i++)
        (void)snprintf(odd[i], sizeof(odd[i]), "%s/%d.conf", folder_conf, i);
    assert_int_equal(mkdir(odd[0], 0755), 0);
    assert_int_equal(symlink("/nowhere", odd[1]), 0);
    assert_int_equal(mkfifo(odd[2], 0644), 0);
    assert_false(READS("--config", config));
    assert_true(READS("--config", config, "--thaw"));
    assert_true(READS("--config", config, "--watch"));
    assert_string_equal(options.record, "/run/there/guard.lease");
    assert_true(rmdir(odd[0]) == 0 && unlink(odd[1]) == 0 && unlink(odd[2]) == 0 &&
                rmdir(folder_conf) == 0);
    write_config("[paths]\nrun = here\n");
    assert_true(READS("--thaw", "--config", config));
    assert_string_equal(options.record, "/run/stillpoint/guard.lease");
    assert_int_equal(unlink(config), 0);
    assert_false(READS("--thaw", "--config", config)); /* another node's would be thawed */
    write_config("");
}

static void a_relative_configuration_has_conf_d_beside_it(void **state)
{
    char was[1024];
    (void)state;

    write_config("[paths]\nrun = /run/relative\n");
    assert_non_null(getcwd(was, sizeof(was)));
    assert_int_equal(chdir(folder), 0);
    bool ok = READS("--config", "stillpoint.conf");
    assert_int_equal(chdir(was), 0);
    assert_true(ok);
    assert_string_equal(options.run, "/run/relative");
}

/* --- systemd's socket ------------------------------------------------------------------------- */

static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    memcpy(address.sun_path + 1, name, strlen(name));
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, bytes), 0);
    return fd;
}

static void systemd_is_told_at_an_abstract_name_too(void **state)
{
    char name[64], value[80], heard[16] = "";
    (void)state;

    (void)snprintf(name, sizeof(name), "stillpoint-options-%d", (int)getpid());
    (void)snprintf(value, sizeof(value), "@%s", name);
    int there = listen_at(name);
    assert_int_equal(setenv("NOTIFY_SOCKET", value, 1), 0);
    int fd = guard_notify_open();
    assert_true(fd >= 0);
    guard_notify_ready(fd);
    assert_int_equal(recv(there, heard, sizeof(heard) - 1, MSG_DONTWAIT), 7);
    assert_string_equal(heard, "READY=1");
    (void)close(fd);
    (void)close(there);
    assert_int_equal(guard_notify_open(), -1); /* nobody listens any more */
    assert_int_equal(setenv("NOTIFY_SOCKET", "no/path", 1), 0);
    assert_int_equal(guard_notify_open(), -1);
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_value_follows_or_is_joined, make_folder, remove_folder),
        cmocka_unit_test(what_is_unknown_or_without_a_value_is_named),
        cmocka_unit_test_setup_teardown(paths_are_absolute_and_fit, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_configuration_is_refused_by_name, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(nothing_stays_frozen_for_a_fault_in_the_configuration,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_relative_configuration_has_conf_d_beside_it, make_folder,
                                        remove_folder),
        cmocka_unit_test(systemd_is_told_at_an_abstract_name_too),
    };

    return cmocka_run_group_tests_name("guard_options", tests, NULL, NULL);
}
