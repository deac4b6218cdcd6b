/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_copy_programs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/hookrun/hookrun_copy_child.h"
#include "agent/hookrun/hookrun_copy_room.h"
#include "agent/hookrun/hookrun_path.h"

enum {
    PROGRAM_COUNT = 9,
    ANSWER_MS = 20000, /* of a volume that is new, each block comes from the snapshot's store */
    SAID_BYTES_MAX = 300,
    LINE_BYTES = 64 + SAID_BYTES_MAX, /* with the path of one of ours */
};

/* Kept apart from the reply, whose text is that of the latest failure. */
struct list {
    size_t bytes;
    char text[PROGRAM_COUNT * LINE_BYTES];
};

/* A link is refused, so one program is not found under two names. */
static const char *const usual[PROGRAM_COUNT] = {
    "/usr/sbin/mariadbd",
    "/usr/sbin/mysqld",
    "/usr/libexec/mariadbd",
    "/usr/libexec/mysqld",
    "/usr/bin/mariadbd",
    "/usr/bin/mysqld",
    "/usr/local/mysql/bin/mariadbd",
    "/usr/local/mysql/bin/mysqld",
    "/opt/mysql/bin/mysqld",
};

struct question {
    const char *root, *program;
};

static int be_asked(void *context)
{
    const struct question *question = context;
    const char *const args[] = {question->program, "--no-defaults", "--version", NULL};

    if (question->root[0] != '\0' && chroot(question->root) < 0)
        return errno;
    if (chdir("/") < 0)
        return errno;
    if (hookrun_path_judge(question->program, 0).refusal != HOOK_REFUSAL_NONE)
        return ENOENT;
    int os_errno = copy_child_become(COPY_NOBODY, COPY_NOBODY);
    return os_errno != 0 ? os_errno : copy_child_exec(args);
}

/* The line of what it said that has its version: without network MariaDB warns first. */
static void add_line(const struct copy_session *session, const char *program, struct list *list)
{
    static const char mark[] = " Ver ";
    const struct copy_text *said = session->tool.text;
    const char *end = said->text + said->bytes;
    const char *at = memmem(said->text, said->bytes, mark, sizeof(mark) - 1);

    if (at == NULL || !copy_child_succeeded(&session->tool))
        return;
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    int bytes = (int)((newline != NULL ? newline : end) - at);
    int length = snprintf(list->text + list->bytes, sizeof(list->text) - list->bytes, "%s\t%.*s\n",
                          program, bytes < SAID_BYTES_MAX ? bytes : SAID_BYTES_MAX, at);
    list->bytes += (size_t)length; /* all have room */
}

/* Until when the one at INDEX may answer: each has its share of the time, so that those which never
 * do leave some for the last. */
static int64_t answer_until(size_t index, int64_t deadline_ms)
{
    int64_t now_ms = clock_boot_ms(),
            share_ms = (deadline_ms - now_ms) / (PROGRAM_COUNT - (int64_t)index);

    return now_ms + (share_ms < ANSWER_MS ? share_ms : ANSWER_MS);
}

enum copy_status copy_programs_list(struct copy_session *session, int64_t deadline_ms)
{
    static struct list list;
    struct question question = {.root = session->tree ? COPY_TREE : ""};
    bool late = false;

    list.bytes = 0;
    for (size_t i = 0; i < PROGRAM_COUNT; i++) {
        question.program = usual[i];
        enum copy_status status =
            copy_child_call(session, be_asked, &question, answer_until(i, deadline_ms));
        copy_child_end_all(session);
        if (status != COPY_OK && status != COPY_DEADLINE)
            return status;
        if (status == COPY_OK && session->tool.os_errno == 0)
            add_line(session, usual[i], &list);
        late = late || status == COPY_DEADLINE;
    }
    if (list.bytes == 0)
        return late ? COPY_DEADLINE
                    : copy_session_say(session, COPY_NO_TOOL, 0, "mariadbd or mysqld");
    _Static_assert(sizeof(list.text) <= sizeof(session->reply.data.text), "fits");
    memcpy(session->reply.data.text, list.text, list.bytes);
    session->reply.data_bytes = (uint32_t)list.bytes;
    return COPY_OK;
}
