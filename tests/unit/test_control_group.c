/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/control_group.h"

#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/tree.h"

static void a_group_that_is_not_there_is_told_with_what_makes_it(void **state)
{
    struct err err = ERR_INIT;
    gid_t group = 7;

    (void)state;
    assert_false(control_group_find("no-such-group", &group, &err));
    assert_int_equal(group, 7);
    assert_non_null(strstr(err.text, "there is no group no-such-group"));
    assert_non_null(strstr(err.remedy, "groupadd --system no-such-group && usermod -aG"));
    assert_true(control_group_find("root", &group, &err));
    assert_int_equal(group, 0);
}

/* As the daemon: a user without capabilities. The status says what was otherwise. */
static int give_to_root(const char *path)
{
    struct err err = ERR_INIT;

    if (geteuid() == 0 && (chown(path, 65534, 65534) != 0 || setgroups(0, NULL) != 0 ||
                           setgid(65534) != 0 || setuid(65534) != 0))
        return 9;
    if (control_group_give("root", 0, path, &err) || control_group_check("root", path, &err))
        return 1;
    return strstr(err.text, "is not root's, of which user") == NULL ? 2
           : strstr(err.remedy, "usermod -aG root ") == NULL        ? 3
           : !control_group_give("its own", getegid(), path, &err)  ? 4
                                                                    : 0;
}

static void a_group_of_others_can_t_be_given_the_socket(void **state)
{
    char path[TREE_PATH_BYTES];
    struct tree tree;
    int status;

    (void)state;
    tree_make(&tree, "group");
    tree_write(&tree, "control.sock", "");
    (void)tree_path(&tree, "control.sock", path);
    assert_int_equal(chmod(tree.root, 0755), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(give_to_root(path));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    tree_remove(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_that_is_not_there_is_told_with_what_makes_it),
        cmocka_unit_test(a_group_of_others_can_t_be_given_the_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
