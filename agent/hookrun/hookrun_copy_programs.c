/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_copy_programs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/hookrun/hookrun_copy_child.h"
#include "agent/hookrun/hookrun_path.h"

enum { ANSWER_MS = 20000, NOBODY = 65534, SAID_BYTES_MAX = 300 };

/* A link is refused, so one program is not found under two names. */
static const char *const usual[] = {
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
    int os_errno = copy_child_become(NOBODY, NOBODY);
    return os_errno != 0 ? os_errno : copy_child_exec(args);
}

/* The line of what it said that has its version: without network MariaDB warns first. */
static void add_line(struct copy_session *session, const char *program)
{
    static const char mark[] = " Ver ";
    struct copy_reply *reply = &session->reply;
    const struct copy_text *said = session->tool.text;
    const char *end = said->text + said->bytes;
    const char *at = memmem(said->text, said->bytes, mark, sizeof(mark) - 1);

    if (at == NULL || !copy_child_succeeded(&session->tool))
        return;
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    int bytes = (int)((newline != NULL ? newline : end) - at);
    int length =
        snprintf(reply->data.text + reply->data_bytes, sizeof(reply->data.text) - reply->data_bytes,
                 "%s\t%.*s\n", program, bytes < SAID_BYTES_MAX ? bytes : SAID_BYTES_MAX, at);
    reply->data_bytes += (uint32_t)length; /* all of the list have room */
}

enum copy_status copy_programs_list(struct copy_session *session, int64_t deadline_ms)
{
    struct question question = {.root = session->tree ? COPY_TREE : ""};

    session->reply.data_bytes = 0;
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        int64_t end_ms = clock_boot_ms() + ANSWER_MS;
        question.program = usual[i];
        enum copy_status status = copy_child_call(session, be_asked, &question,
                                                  end_ms < deadline_ms ? end_ms : deadline_ms);
        if (status != COPY_OK)
            return status;
        if (session->tool.os_errno == 0)
            add_line(session, usual[i]);
    }
    return session->reply.data_bytes > 0
               ? COPY_OK
               : copy_session_say(session, COPY_NO_TOOL, 0, "mariadbd or mysqld");
}
