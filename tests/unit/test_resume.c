/* SPDX-License-Identifier: BSD-2-Clause */
/* What `status` tells of earlier backups, while other threads find out more. */
#include "agent/daemon/resume.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/tree.h"

enum { ROUNDS = 2000 };

/* Each answer replaces the reason that the one before noted. Returns how many told the reason. */
static void *ask_again_and_again(void *data)
{
    intptr_t told = 0;

    for (int round = 0; round < ROUNDS; round++) {
        json_t *list = resume_unsettled_json(data);
        char *text = json_dumps(list, 0);
        told += text != NULL && strstr(text, "/journal") != NULL;
        free(text);
        json_decref(list);
    }
    return (void *)told;
}

/* Nothing to see but in a build with SANITIZE=thread: what one thread tells, another frees. */
static void two_may_ask_at_once(void **state)
{
    struct config config = {0};
    struct agent agent = {.config = &config, .mutex = PTHREAD_MUTEX_INITIALIZER};
    struct tree tree;
    pthread_t other;
    void *told;

    (void)state;
    tree_make(&tree, "resume");
    tree_write(&tree, "journal", "a file where a folder should be");
    config.paths.state = tree.root;
    assert_int_equal(pthread_create(&other, NULL, ask_again_and_again, &agent), 0);
    assert_int_equal((intptr_t)ask_again_and_again(&agent), ROUNDS);
    assert_int_equal(pthread_join(other, &told), 0);
    assert_int_equal((intptr_t)told, ROUNDS);
    json_decref(agent.unsettled_whys);
    tree_remove(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_may_ask_at_once),
    };

    return cmocka_run_group_tests_name("resume", tests, NULL, NULL);
}
