/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/control_wire.h"

#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/base/utf8.h"

/* --- lines out of a stream -------------------------------------------------------------------- */

bool control_lines_push(struct control_lines *lines, const char *bytes, size_t len, struct err *err)
{
    buf_drop_front(&lines->bytes, lines->taken);
    lines->taken = 0;
    if (len > CONTROL_CHUNK_BYTES)
        return err_set(err, ERR_LIMIT, 0, "more than %d bytes at once", CONTROL_CHUNK_BYTES);
    return buf_add(&lines->bytes, bytes, len, err);
}

bool control_lines_pop(struct control_lines *lines, const char **ret_line, size_t *ret_len,
                       struct err *err)
{
    size_t left = lines->bytes.len - lines->taken;
    char *line = left > 0 ? lines->bytes.data + lines->taken : NULL;
    char *end = NULL;

    *ret_line = NULL;
    *ret_len = 0;
    if (left > lines->scanned)
        end = memchr(line + lines->scanned, '\n', left - lines->scanned);
    size_t len = end ? (size_t)(end - line) : left;
    if (len > lines->line_max)
        return err_set(err, ERR_LIMIT, 0, "a line of more than %zu bytes", lines->line_max);
    if (end == NULL) {
        lines->scanned = left;
        if (left == 0) { /* an idle connection holds no memory */
            buf_free(&lines->bytes);
            lines->taken = 0;
        }
        return true;
    }
    *end = '\0';
    *ret_line = line;
    *ret_len = len;
    lines->taken += len + 1;
    lines->scanned = 0;
    return true;
}

size_t control_lines_rest(const struct control_lines *lines)
{
    return lines->bytes.len - lines->taken;
}

void control_lines_free(struct control_lines *lines)
{
    buf_free(&lines->bytes);
    lines->taken = lines->scanned = 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Brackets outside of strings. Jansson recurses up to 2048 deep, which is stack that the other end
 * chooses; this bounds it beforehand. Whether they match is jansson's affair. */
static bool depth_ok(const char *line, size_t len)
{
    size_t depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < len; i++) {
        char c = line[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (quoted)
            continue;
        else if ((c == '{' || c == '[') && ++depth > CONTROL_DEPTH_MAX)
            return false;
        else if ((c == '}' || c == ']') && depth > 0)
            depth--;
    }
    return true;
}

bool control_parse(const char *line, size_t len, json_t **ret_object, struct err *err)
{
    json_error_t why;

    if (!depth_ok(line, len))
        return err_set(err, ERR_LIMIT, 0, "JSON more than %d levels deep", CONTROL_DEPTH_MAX);
    json_t *value = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
    if (value == NULL) {
        /* Its text quotes what was sent: only the part that is jansson's own is taken. */
        char *near = strstr(why.text, " near ");
        if (near != NULL)
            *near = '\0';
        if (json_error_code(&why) == json_error_out_of_memory)
            return err_set(err, ERR_INTERNAL, 0, "out of memory");
        return err_set(err, ERR_PROTOCOL, 0, "not a JSON object: %s at byte %d",
                       json_error_code(&why) == json_error_duplicate_key ? "a key twice" : why.text,
                       why.position);
    }
    if (!json_is_object(value)) {
        json_decref(value);
        return err_set(err, ERR_PROTOCOL, 0, "JSON, but not an object");
    }
    *ret_object = value;
    return true;
}

bool control_only_keys(const json_t *object, const char *const *allowed, struct err *err)
{
    char quoted[LOG_QUOTE_BYTES];
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t i = 0;
        while (allowed[i] != NULL && strcmp(allowed[i], key) != 0)
            i++;
        if (allowed[i] != NULL)
            continue;
        const char *near = parse_nearest(key, allowed);
        (void)err_set(err, ERR_PROTOCOL, 0, "unknown key %s", log_quote(key, quoted));
        return near == NULL ? false : err_suggest(err, "did you mean %s?", near);
    }
    return true;
}

/* The value at KEY where it is there and not null. */
static json_t *present(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return json_is_null(value) ? NULL : value;
}

static bool missing(const char *key, struct err *err)
{
    return err_set(err, ERR_PROTOCOL, 0, "key \"%s\" is missing", key);
}

static bool mistyped(const char *key, const char *wanted, struct err *err)
{
    return err_set(err, ERR_PROTOCOL, 0, "key \"%s\" is not %s", key, wanted);
}

bool control_opt_string(const json_t *object, const char *key, const char **ret_text,
                        struct err *err)
{
    json_t *value = present(object, key);

    if (value != NULL && !json_is_string(value))
        return mistyped(key, "a string", err);
    if (value != NULL)
        *ret_text = json_string_value(value);
    return true;
}

bool control_get_string(const json_t *object, const char *key, const char **ret_text,
                        struct err *err)
{
    return present(object, key) ? control_opt_string(object, key, ret_text, err)
                                : missing(key, err);
}

bool control_opt_int(const json_t *object, const char *key, int64_t min, int64_t max,
                     int64_t *ret_value, struct err *err)
{
    json_t *value = present(object, key);

    if (value == NULL)
        return true;
    if (!json_is_integer(value))
        return mistyped(key, "a whole number", err);
    if (json_integer_value(value) < min || json_integer_value(value) > max)
        return err_set(err, ERR_PROTOCOL, 0, "key \"%s\" is not from %lld to %lld", key,
                       (long long)min, (long long)max);
    *ret_value = json_integer_value(value);
    return true;
}

bool control_get_int(const json_t *object, const char *key, int64_t min, int64_t max,
                     int64_t *ret_value, struct err *err)
{
    return present(object, key) ? control_opt_int(object, key, min, max, ret_value, err)
                                : missing(key, err);
}

bool control_opt_bool(const json_t *object, const char *key, bool *ret_value, struct err *err)
{
    json_t *value = present(object, key);

    if (value != NULL && !json_is_boolean(value))
        return mistyped(key, "true or false", err);
    if (value != NULL)
        *ret_value = json_is_true(value);
    return true;
}

bool control_get_bool(const json_t *object, const char *key, bool *ret_value, struct err *err)
{
    return present(object, key) ? control_opt_bool(object, key, ret_value, err) : missing(key, err);
}

bool control_opt_object(const json_t *object, const char *key, json_t **ret_object, struct err *err)
{
    json_t *value = present(object, key);

    if (value != NULL && !json_is_object(value))
        return mistyped(key, "an object", err);
    if (value != NULL)
        *ret_object = value;
    return true;
}

bool control_get_object(const json_t *object, const char *key, json_t **ret_object, struct err *err)
{
    return present(object, key) ? control_opt_object(object, key, ret_object, err)
                                : missing(key, err);
}

bool control_read_request(const json_t *request, const char **ret_cmd, json_t **ret_args,
                          struct err *err)
{
    static const char *const keys[] = {"v", "cmd", "args", NULL};
    int64_t version = 0;
    const char *cmd = NULL;
    json_t *args = NULL;

    if (!control_get_int(request, "v", INT64_MIN, INT64_MAX, &version, err))
        return false;
    /* Before the other keys: what a later version may have there is not ours to judge. */
    if (version != CONTROL_VERSION) {
        (void)err_set(err, ERR_PROTOCOL, 0, "version %lld of the control protocol, ours is %d",
                      (long long)version, CONTROL_VERSION);
        return err_suggest(err, "stillpoint and stillpointd are of different versions: install "
                                "both from one package and restart stillpointd");
    }
    if (!control_only_keys(request, keys, err) || !control_get_string(request, "cmd", &cmd, err) ||
        !control_opt_object(request, "args", &args, err))
        return false;
    *ret_cmd = cmd;
    *ret_args = args;
    return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

enum { REAL_DIGITS = 12 }; /* 303.2 stays 303.2 */

json_t *control_text(const char *text)
{
    AUTO_BUF struct buf valid = BUF_INIT(CONTROL_ANSWER_BYTES_MAX);
    struct err err = ERR_INIT;
    json_t *string;

    if (text == NULL)
        return json_null();
    string = json_string(text);
    if (string != NULL)
        return string;
    return utf8_add_valid(&valid, text, strlen(text), &err) ? json_string(buf_text(&valid)) : NULL;
}

struct sink {
    struct buf *buf;
    struct err *err;
};

static int sink_write(const char *bytes, size_t len, void *data)
{
    struct sink *sink = data;

    return buf_add(sink->buf, bytes, len, sink->err) ? 0 : -1;
}

bool control_add_line(struct buf *ret_buf, const json_t *object, struct err *err)
{
    struct err why = ERR_INIT; /* of its own: ERR may be what OBJECT was just made from */
    struct sink sink = {ret_buf, &why};
    size_t before = ret_buf->len;

    if (json_dump_callback(object, sink_write, &sink,
                           JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS)) == 0 &&
        buf_add(ret_buf, "\n", 1, &why))
        return true;
    if (ret_buf->data != NULL) {
        ret_buf->len = before;
        ret_buf->data[before] = '\0';
    }
    /* Where the buffer took all that it was given, jansson itself gave up. */
    if (why.kind == ERR_NONE)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    *err = why;
    return false;
}

bool control_add_take(struct buf *ret_buf, json_t *take_object, struct err *err)
{
    bool ok = take_object != NULL ? control_add_line(ret_buf, take_object, err)
                                  : err_set(err, ERR_INTERNAL, 0, "out of memory");

    json_decref(take_object);
    return ok;
}

bool control_add_request(struct buf *ret_buf, const char *cmd, json_t *take_args, struct err *err)
{
    return control_add_take(
        ret_buf,
        take_args ? json_pack("{s:i,s:s,s:o}", "v", CONTROL_VERSION, "cmd", cmd, "args", take_args)
                  : json_pack("{s:i,s:s}", "v", CONTROL_VERSION, "cmd", cmd),
        err);
}

bool control_add_accepted(struct buf *ret_buf, const char *id, struct err *err)
{
    return control_add_take(
        ret_buf, json_pack("{s:s,s:o}", "event", "accepted", "id", control_text(id)), err);
}

bool control_add_step(struct buf *ret_buf, const char *step, int64_t at_utc_us, struct err *err)
{
    char at[CLOCK_TEXT_BYTES];

    return control_add_take(ret_buf,
                            json_pack("{s:s,s:s,s:s}", "event", "step", "step", step, "at",
                                      clock_utc_text(at_utc_us, at)),
                            err);
}

bool control_add_progress(struct buf *ret_buf, const char *step, int64_t done, int64_t total,
                          const char *text, struct err *err)
{
    return control_add_take(ret_buf,
                            json_pack("{s:s,s:s,s:I,s:I,s:o}", "event", "progress", "step", step,
                                      "done", (json_int_t)done, "total", (json_int_t)total, "text",
                                      control_text(text)),
                            err);
}

/* A text that may be absent: "" is null on the wire. */
static json_t *text_or_null(const char *text)
{
    return control_text(text != NULL && text[0] != '\0' ? text : NULL);
}

bool control_add_warning(struct buf *ret_buf, const char *text, const char *remedy, struct err *err)
{
    return control_add_take(ret_buf,
                            json_pack("{s:s,s:o,s:o}", "event", "warning", "text",
                                      control_text(text), "remedy", text_or_null(remedy)),
                            err);
}

bool control_add_released(struct buf *ret_buf, const char *id, double hold_ms, struct err *err)
{
    return control_add_take(
        ret_buf,
        json_pack("{s:s,s:o,s:f}", "event", "released", "id", control_text(id), "hold_ms", hold_ms),
        err);
}

bool control_add_cancelling(struct buf *ret_buf, const char *text, struct err *err)
{
    return control_add_take(
        ret_buf, json_pack("{s:s,s:o}", "event", "cancelling", "text", control_text(text)), err);
}

bool control_add_goes_on(struct buf *ret_buf, const char *text, struct err *err)
{
    return control_add_take(
        ret_buf, json_pack("{s:s,s:o}", "event", "goes_on", "text", control_text(text)), err);
}

bool control_add_kept(struct buf *ret_buf, struct err *err)
{
    return control_add_take(ret_buf, json_pack("{s:s}", "event", "kept"), err);
}

bool control_add_item(struct buf *ret_buf, json_t *take_data, struct err *err)
{
    return control_add_take(ret_buf, json_pack("{s:s,s:o}", "event", "item", "data", take_data),
                            err);
}

bool control_add_check(struct buf *ret_buf, const char *name, const char *result, const char *text,
                       const char *remedy, struct err *err)
{
    return control_add_take(ret_buf,
                            json_pack("{s:s,s:o,s:s,s:o,s:o}", "event", "check", "name",
                                      control_text(name), "result", result, "text",
                                      control_text(text), "remedy", text_or_null(remedy)),
                            err);
}

bool control_add_result(struct buf *ret_buf, int exit_code, json_t *take_data, struct err *err)
{
    return control_add_take(ret_buf,
                            json_pack("{s:s,s:i,s:o}", "event", "result", "exit", exit_code, "data",
                                      take_data ? take_data : json_object()),
                            err);
}

bool control_add_error(struct buf *ret_buf, const struct err *why, int exit_code, const char *now,
                       struct err *err)
{
    return control_add_take(ret_buf,
                            json_pack("{s:s,s:i,s:s,s:o,s:o,s:o}", "event", "error", "exit",
                                      exit_code, "kind", err_kind_name(why->kind), "text",
                                      control_text(why->text), "remedy", text_or_null(why->remedy),
                                      "now", text_or_null(now)),
                            err);
}
