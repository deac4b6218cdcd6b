/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_TESTS_DBSCRIPT_H
#define STILLPOINT_TESTS_DBSCRIPT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

#include "hooks/db.h"

/* A scripted server that speaks the protocol just enough and writes down what it is asked: for the
 * servers that are not to be had here, and for what a real one says seldom. One connection at a
 * time, any number after each other; log-in always works. */

enum { DBSCRIPT_LOG_BYTES = 16384, DBSCRIPT_ANSWERS_MAX = 24, DBSCRIPT_ID = 7 };

enum dbscript_way {
    DBSCRIPT_ANSWERS,
    DBSCRIPT_HANGS_UP, /* ends the connection instead */
    DBSCRIPT_IS_SILENT /* until the client goes */
};

/* The first that fits is taken; a statement that none fits is done, without an answer. */
struct dbscript_answer {
    const char *sql;       /* of statements that begin so */
    const char *names;     /* columns, with tabs between them; NULL: done, without an answer */
    const char *rows;      /* a line each, cells with tabs between them, \N for NULL; NULL: none */
    unsigned refused;      /* an error's number instead */
    unsigned after_ms;     /* not sooner */
    unsigned times;        /* only so often; 0 always */
    enum dbscript_way way; /* else than with an answer */
};

struct dbscript {
    /* Set before the start; what is not set is as on a plain server. */
    const char *version;
    const struct dbscript_answer *answers;
    size_t answer_count;
    const void *greeting; /* bytes instead of it, and then nothing more */
    size_t greeting_bytes;
    bool mute;           /* no greeting, and no end */
    const char *plugin;  /* asks for a log-in with it, which works never */
    unsigned turns_away; /* an error's number instead of the greeting */

    struct sockaddr_un address;   /* the socket's path: .sun_path */
    char log[DBSCRIPT_LOG_BYTES]; /* statements, one a line; to be read after the end */

    char dir[64];
    int listen_fd;
    pthread_t thread;
    unsigned used[DBSCRIPT_ANSWERS_MAX];
};

#define DBSCRIPT_ALL(list) .answers = (list), .answer_count = sizeof(list) / sizeof((list)[0])

void dbscript_start(struct dbscript *script);
struct db *dbscript_connect(const struct dbscript *script); /* fails the test on trouble */
void dbscript_end(struct dbscript *script);                 /* nobody may be connected */

/* Without what bounds a session; the first 60 characters of each. */
void dbscript_assert_asked(const struct dbscript *script, const char *wanted);

#endif
