/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_EC2_WIRE_H
#define STILLPOINT_EC2_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "aws/ec2.h"
#include "aws/ec2_query.h"

/* Between the calls and aws_call: sends a query, reads answers into structs by table, follows
 * pages. For ec2_*.c only. */

/* --- an answer's fields --- */

enum wire_type {
    WIRE_TEXT,   /* char[]; too long is ERR_PROTOCOL */
    WIRE_CUT,    /* char[]; cut at a character */
    WIRE_ID,     /* char[]; letters, digits and '-' */
    WIRE_INT,    /* int64_t, 0 or more */
    WIRE_BOOL,   /* bool */
    WIRE_FLAG,   /* enum ec2_flag */
    WIRE_TIME,   /* int64_t, UTC in microseconds */
    WIRE_PERCENT /* int: "42%" */
};

struct wire_field {
    const char *path; /* below the item */
    enum wire_type type;
    size_t offset, size;
};

#define WIRE_FIELD(path, type, object, member)                                                     \
    {                                                                                              \
        path, type, offsetof(object, member), sizeof(((object *)NULL)->member)                     \
    }
#define WIRE_COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

/* Stores TEXT where the table says; a path that is not in it, and an empty text, are passed over.
 * false: ERR_PROTOCOL, the text is not of its type */
bool wire_take(const struct wire_field *fields, size_t count, const char *path, const char *text,
               void *object, struct err *err);

/* A tagSet that is being read. Tags of AWS's own ("aws:…") are left out. */
struct wire_tag {
    char key[4 * 128 + 1];
    char value[4 * 256 + 1];
};
/* PATH is below the tag's item: "key", "value", or "" at its end. */
bool wire_take_tag(struct wire_tag *tag, const char *path, const char *text, struct ec2_tags *tags,
                   struct err *err);

/* PATH behind PREFIX and its '/', "" where they are equal, NULL where it is not below it. */
const char *wire_below(const char *path, const char *prefix);

/* --- a list, and its pages --- */

/* What reads one list of an answer. Paths are below the item; "" is the item itself. */
struct wire_list {
    const char *item; /* "volumeSet/item"; NULL: no list, all is outside */
    void *self;
    bool (*open)(void *self, const char *path, struct err *err);
    bool (*close)(void *self, const char *path, const char *text, struct err *err);
    /* What stands outside of items; NULL: passed over */
    bool (*outside)(void *self, const char *path, const char *text, struct err *err);
};

/* Adds what to do to an answer that makes no sense. Gives false, so that failing is one line. */
bool wire_doubt(struct err *err);
/* Reads one answer to ACTION. Pure.
 *   ret_token  nextToken, "" on the last page; WIRE_TOKEN_BYTES */
enum { WIRE_TOKEN_BYTES = 2048 };
bool wire_read(const char *action, const char *body, size_t len, const struct wire_list *list,
               char *ret_token, struct err *err);

/* --- calling --- */

/* A client that connects to nothing: every call gets BODY (borrowed) as its answer. For tests and
 * fuzzing; only the calls may be used with it. */
bool ec2_open_canned(const char *body, size_t len, struct ec2 **ret_ec2, struct err *err);

struct wire_call {
    enum aws_kind kind;
    const char *action;
    struct query *query; /* not yet ended; freed by the caller */
    int64_t min_valid_ms;
    bool just_made;
    bool secret; /* wire_call_list wipes the answer */
    int64_t deadline_ms;
    const struct cancel *cancel;
    int page_items; /* MaxResults of a page: wire_call_pages. 0: not said */
};

/* Sends it once (with retries as its kind allows); the answer is added to RET_BODY. */
bool wire_send(struct ec2 *ec2, const struct wire_call *call, struct buf *ret_body,
               struct err *err);
/* A dry run, whose QUERY says so; wiped and freed.
 *   false  what the service says; ERR_PROTOCOL: it was none, the endpoint is not EC2 */
bool wire_send_dry(struct ec2 *ec2, struct query *take_query, const char *action,
                   int64_t deadline_ms, const struct cancel *cancel, struct err *err);
/* Sends it and reads the answer. */
bool wire_call_list(struct ec2 *ec2, const struct wire_call *call, const struct wire_list *list,
                    struct err *err);
/* The same for all pages: ERR_PROTOCOL where a token comes back, ERR_LIMIT after too many. A page
 * that is too large (whoever may tag can make it so) is asked for again with fewer items. */
bool wire_call_pages(struct ec2 *ec2, const struct wire_call *call, const struct wire_list *list,
                     struct err *err);
/* Sends it and takes one text from the answer; "" where it is not there. */
bool wire_call_text(struct ec2 *ec2, const struct wire_call *call, const char *path,
                    struct buf *ret_text, struct err *err);

#endif
