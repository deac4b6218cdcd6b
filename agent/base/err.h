/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ERR_H
#define STILLPOINT_ERR_H

#include <stdarg.h>
#include <stdbool.h>

/* What callers branch on. The text is for people and is never compared. */
enum err_kind {
    ERR_NONE = 0,
    ERR_INTERNAL,     /* our own fault: a limit of ours hit, no memory */
    ERR_USAGE,        /* a command or request that makes no sense: exit code 2 */
    ERR_CONFIG,       /* configuration file: exit code 2 */
    ERR_SYS,          /* a system call failed, os_errno says how */
    ERR_DEADLINE,     /* the deadline came first */
    ERR_CANCELLED,    /* somebody asked us to stop */
    ERR_LIMIT,        /* something from outside is larger than we take */
    ERR_PROTOCOL,     /* an answer or message that is not what the protocol says */
    ERR_PRECONDITION, /* the node is not as a backup needs it: exit code 5 */
    ERR_BUSY,         /* another job, or a mount frozen by somebody else */
    ERR_GUARD,        /* the guard is not there or refused */
    ERR_LEASE,        /* the lease did not last: ended early, let go by somebody else */
    ERR_NET,          /* connection failed, and the request was certainly not sent */
    ERR_SENT,         /* the request was (or may have been) sent, no answer: outcome unknown */
    ERR_TLS,          /* certificate or handshake refused */
    ERR_AWS,          /* the service refused; see struct aws_error where it is given */
    ERR_AWS_DENIED,   /* UnauthorizedOperation, AccessDenied */
    ERR_AWS_AUTH,     /* signature, key or token refused; clock wrong */
    ERR_AWS_THROTTLED,
    ERR_AWS_NOT_FOUND,
    ERR_CREDENTIALS, /* none to be had, or they end too soon */
    ERR_IMDS,        /* no instance metadata service, or it refuses */
    ERR_DB,          /* the server refused, or is away */
    ERR_DB_LOCK,     /* lock wait timed out, or something runs that a lock would wait for */
    ERR_HOOK,        /* a hook failed */
    ERR_NOT_FOUND,   /* no backup by that id */
};

enum { ERR_TEXT_BYTES = 600, ERR_REMEDY_BYTES = 400 };

/* Lives on the caller's stack, works without memory. Functions that can fail return bool and
 * take one last, never NULL; they leave it untouched on success. */
struct err {
    enum err_kind kind;
    int os_errno; /* 0 where no system call is behind it */
    char text[ERR_TEXT_BYTES];
    char remedy[ERR_REMEDY_BYTES]; /* what the operator can do; "" where nothing is known */
};

#define ERR_INIT                                                                                   \
    {                                                                                              \
        ERR_NONE, 0, "", ""                                                                        \
    }

/* All makers return false, so that failing is one line: return err_set(err, …).
 * A text that is too long is cut at a character, never in the middle of a UTF-8 sequence. */

/* At the cause. Replaces what err held before. OS_ERRNO other than 0 is added as ": strerror". */
bool err_set(struct err *err, enum err_kind kind, int os_errno, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* On the way up: puts "fmt: " in front of the text, keeps kind and remedy. */
bool err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What to do; only where none is set yet, so that the one nearest to the cause stays. */
bool err_suggest(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A short stable name of the kind for JSON and logs ("deadline", "aws-denied"). Static. */
const char *err_kind_name(enum err_kind kind);
/* The kind of that name; ERR_INTERNAL where there is none, or NAME is NULL. */
enum err_kind err_kind_named(const char *name);

#endif
