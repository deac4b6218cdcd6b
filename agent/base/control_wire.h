/* SPDX-License-Identifier: BSD-2-Clause */
/* The control protocol, both ends: what `stillpoint` and `stillpointd` say to each other over
 * RUN/control.sock (SOCK_STREAM). One JSON object a line, no newline inside it.
 *
 *   request   {"v":1,"cmd":"backup","args":{…}}; while it runs one more line,
 *             {"v":1,"cmd":"cancel"}; after the result of a hold {"v":1,"cmd":"keep"}: without it
 *             the hold ends with the connection
 *   answer    any number of {"event":…}, then exactly one "result" or "error"
 *
 * No I/O here, and no state but struct control_lines. Errors are ERR_PROTOCOL (not what this page
 * says), ERR_LIMIT (a cap was hit) or ERR_INTERNAL (no memory). Texts of errors carry nothing of
 * what the other end sent but names of keys, with control characters escaped. */
#ifndef STILLPOINT_CONTROL_WIRE_H
#define STILLPOINT_CONTROL_WIRE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

#define CONTROL_SOCKET_NAME "control.sock" /* in [paths] run */

enum {
    CONTROL_VERSION = 1,
    CONTROL_REQUEST_BYTES_MAX = 64 * 1024,  /* a line to the daemon, without its newline */
    CONTROL_ANSWER_BYTES_MAX = 1024 * 1024, /* a line from it */
    CONTROL_DEPTH_MAX = 16,                 /* objects and arrays within each other */
    CONTROL_CHUNK_BYTES = 64 * 1024,        /* the most that one control_lines_push takes */
};

/* --- lines out of a stream -------------------------------------------------------------------- */

/* What was received and not yet taken: starts as CONTROL_LINES_INIT(cap), ends with
 * control_lines_free. Memory: at most the line's cap and one chunk, nothing while empty. */
struct control_lines {
    struct buf bytes;
    size_t taken;   /* bytes in front that were popped */
    size_t scanned; /* bytes behind taken that hold no newline */
    size_t line_max;
};

#define CONTROL_LINES_INIT(line_bytes_max)                                                         \
    {                                                                                              \
        BUF_INIT((line_bytes_max) + 1 + CONTROL_CHUNK_BYTES), 0, 0, (line_bytes_max)               \
    }

/* Adds LEN bytes, at most CONTROL_CHUNK_BYTES. Pop until nothing is left before the next push:
 * ERR_LIMIT otherwise. Lines popped before are gone. */
bool control_lines_push(struct control_lines *lines, const char *bytes, size_t len,
                        struct err *err);
/* The next whole line.
 *   ret_line, ret_len  without the newline, ended by a NUL that may not be the first in it;
 *                      borrowed until the next call. NULL: no whole line is there yet
 *   false              ERR_LIMIT: the line in front is longer than the cap, whole or not. The
 *                      stream is of no use from here */
bool control_lines_pop(struct control_lines *lines, const char **ret_line, size_t *ret_len,
                       struct err *err);
/* Bytes of a line that was begun and not ended: where the stream closes, something was cut off. */
size_t control_lines_rest(const struct control_lines *lines);
void control_lines_free(struct control_lines *lines);

/* --- reading ---------------------------------------------------------------------------------- */

/* One line to one object: a JSON object and nothing behind it, no key twice, at most
 * CONTROL_DEPTH_MAX deep, UTF-8 throughout, no NUL.
 *   ret_object  given to the caller (json_decref) */
bool control_parse(const char *line, size_t len, json_t **ret_object, struct err *err);
/* False, with the nearest allowed key as remedy, where OBJECT has one that is not in ALLOWED (ends
 * with NULL). */
bool control_only_keys(const json_t *object, const char *const *allowed, struct err *err);

/* control_get_X: KEY must be there and of that type. control_opt_X: where it is missing or null the
 * result stays as the caller set it. Strings and objects are borrowed from OBJECT. */
bool control_get_string(const json_t *object, const char *key, const char **ret_text,
                        struct err *err);
bool control_opt_string(const json_t *object, const char *key, const char **ret_text,
                        struct err *err);
bool control_get_int(const json_t *object, const char *key, int64_t min, int64_t max,
                     int64_t *ret_value, struct err *err);
bool control_opt_int(const json_t *object, const char *key, int64_t min, int64_t max,
                     int64_t *ret_value, struct err *err);
bool control_get_bool(const json_t *object, const char *key, bool *ret_value, struct err *err);
bool control_opt_bool(const json_t *object, const char *key, bool *ret_value, struct err *err);
bool control_get_object(const json_t *object, const char *key, json_t **ret_object,
                        struct err *err);
bool control_opt_object(const json_t *object, const char *key, json_t **ret_object,
                        struct err *err);

/* The head of a request.
 *   ret_cmd   borrowed from REQUEST
 *   ret_args  borrowed; NULL where there are none
 *   false     not an object of v, cmd and args alone, or another version than ours */
bool control_read_request(const json_t *request, const char **ret_cmd, json_t **ret_args,
                          struct err *err);

/* --- writing ---------------------------------------------------------------------------------- */

/* A JSON string of TEXT, with U+FFFD for bytes that are not UTF-8; null for NULL. NULL: no memory.
 * Needed for whatever comes from files, servers and tags; our own constants are json_string's. */
json_t *control_text(const char *text);
/* Adds OBJECT as one line to RET_BUF. The buffer's own cap limits it; after a failure the buffer is
 * as before. */
bool control_add_line(struct buf *ret_buf, const json_t *object, struct err *err);
/* The same for a value that was just made: swallows it, also on failure, and takes NULL as "no
 * memory", so that control_add_take(buf, json_pack(…), err) is one line. */
bool control_add_take(struct buf *ret_buf, json_t *take_object, struct err *err);

/* A request. take_args is swallowed; NULL: none. */
bool control_add_request(struct buf *ret_buf, const char *cmd, json_t *take_args, struct err *err);

/* One event each, in the shape of CONTROL_EVENTS below. Texts may hold any bytes. */
bool control_add_accepted(struct buf *ret_buf, const char *id, struct err *err);
bool control_add_step(struct buf *ret_buf, const char *step, int64_t at_utc_us, struct err *err);
bool control_add_progress(struct buf *ret_buf, const char *step, int64_t done, int64_t total,
                          const char *text, struct err *err);
/* REMEDY may be NULL or "": null on the wire. */
bool control_add_warning(struct buf *ret_buf, const char *text, const char *remedy,
                         struct err *err);
bool control_add_released(struct buf *ret_buf, const char *id, double hold_ms, struct err *err);
bool control_add_cancelling(struct buf *ret_buf, const char *text, struct err *err);
bool control_add_kept(struct buf *ret_buf, struct err *err);
bool control_add_goes_on(struct buf *ret_buf, const char *text, struct err *err);
/* take_data is swallowed, also on failure. */
bool control_add_item(struct buf *ret_buf, json_t *take_data, struct err *err);
/* RESULT: "ok", "warning", "failed" or "skipped". */
bool control_add_check(struct buf *ret_buf, const char *name, const char *result, const char *text,
                       const char *remedy, struct err *err);
/* The last line of an answer. take_data is swallowed, also on failure; NULL: {}. */
bool control_add_result(struct buf *ret_buf, int exit_code, json_t *take_data, struct err *err);
/* NOW says in what state the node is left; NULL or "": null. */
bool control_add_error(struct buf *ret_buf, const struct err *why, int exit_code, const char *now,
                       struct err *err);

/* CONTROL_EVENTS
 *   {"event":"accepted","id":"sp-…"}
 *   {"event":"step","step":"hold","at":"2026-11-24T08:15:31.206811Z"}
 *   {"event":"progress","step":"finish","done":40,"total":100,"text":"…"}
 *   {"event":"warning","text":"…","remedy":"…"}
 *   {"event":"released","id":"sp-…","hold_ms":303.2}
 *   {"event":"cancelling","text":"…"}    {"event":"goes_on","text":"…"}
 *   {"event":"kept"}
 *   {"event":"item","data":{…}}
 *   {"event":"check","name":"clock","result":"ok","text":"…","remedy":null}
 *   {"event":"result","exit":0,"data":{…}}
 *   {"event":"error","exit":5,"kind":"precondition","text":"…","remedy":"…","now":"…"} */

#endif
