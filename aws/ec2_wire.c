/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_wire.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "aws/ec2_describe.h"
#include "aws/xml.h"

enum { PAGES_MAX = 10000, PAGE_ITEMS_MIN = 5 /* EC2's own */ };

/* --- fields --- */

static bool take_flag(const char *text, bool *ret_value)
{
    *ret_value = strcmp(text, "true") == 0;
    return *ret_value || strcmp(text, "false") == 0;
}

static bool take_percent(const char *text, int *ret_value)
{
    char number[8];
    int64_t value = 0;
    struct err ignored = ERR_INIT; /* the caller says it with the field's name */
    size_t len = strcspn(text, "%");

    if (len >= sizeof(number))
        return false;
    memcpy(number, text, len);
    number[len] = '\0';
    if (!parse_int64(number, 0, 100, &value, &ignored))
        return false;
    *ret_value = (int)value;
    return true;
}

static bool take_text(const struct wire_field *field, const char *text, char *target)
{
    size_t len = strlen(text);

    if (field->type == WIRE_ID &&
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != len)
        return false;
    if (field->type != WIRE_CUT && len >= field->size)
        return false;
    if (len >= field->size)
        len = field->size - 1;
    memcpy(target, text, len);
    target[len] = '\0';
    if (field->type == WIRE_CUT)
        parse_cut_utf8(target, field->size, field->size - 1);
    return true;
}

static bool store(const struct wire_field *field, const char *text, void *target)
{
    struct err ignored = ERR_INIT; /* as above */
    bool value = false;

    switch (field->type) {
    case WIRE_TEXT:
    case WIRE_CUT:
    case WIRE_ID:
        return take_text(field, text, target);
    case WIRE_INT:
        return parse_int64(text, 0, INT64_MAX, target, &ignored);
    case WIRE_TIME:
        return clock_utc_parse(text, target);
    case WIRE_PERCENT:
        return take_percent(text, target);
    case WIRE_BOOL:
        return take_flag(text, target);
    case WIRE_FLAG:
        if (!take_flag(text, &value))
            return false;
        *(enum ec2_flag *)target = value ? EC2_YES : EC2_NO;
        return true;
    }
    return false;
}

bool wire_take(const struct wire_field *fields, size_t count, const char *path, const char *text,
               void *object, struct err *err)
{
    if (*text == '\0')
        return true;
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].path, path) == 0)
            return store(&fields[i], text, (char *)object + fields[i].offset) ||
                   err_set(err, ERR_PROTOCOL, 0, "%s is \"%.100s\"", path, text);
    return true;
}

bool wire_take_tag(struct wire_tag *tag, const char *path, const char *text, struct ec2_tags *tags,
                   struct err *err)
{
    static const struct wire_field fields[] = {
        WIRE_FIELD("key", WIRE_TEXT, struct wire_tag, key),
        WIRE_FIELD("value", WIRE_TEXT, struct wire_tag, value),
    };

    if (*path != '\0')
        return wire_take(fields, WIRE_COUNT(fields), path, text, tag, err);
    bool ok = tag->key[0] == '\0' || strncmp(tag->key, "aws:", 4) == 0 ||
              ec2_tags_set(tags, tag->key, tag->value, err);
    tag->key[0] = tag->value[0] = '\0';
    return ok;
}

const char *wire_below(const char *path, const char *prefix)
{
    size_t len = strlen(prefix);

    if (strncmp(path, prefix, len) != 0)
        return NULL;
    return path[len] == '/' ? path + len + 1 : path[len] == '\0' ? path + len : NULL;
}

/* --- lists --- */

struct reading {
    const struct wire_list *list;
    char *token;
};

static bool on_open(void *self, const char *path, struct err *err)
{
    const struct wire_list *list = ((struct reading *)self)->list;
    const char *rest = list->item != NULL ? wire_below(path, list->item) : NULL;

    return rest == NULL || list->open == NULL || list->open(list->self, rest, err);
}

static bool on_close(void *self, const char *path, const char *text, struct err *err)
{
    struct reading *reading = self;
    const struct wire_list *list = reading->list;
    const char *rest = list->item != NULL ? wire_below(path, list->item) : NULL;

    if (rest != NULL)
        return list->close(list->self, rest, text, err);
    if (strcmp(path, "nextToken") == 0) {
        if (strlen(text) >= WIRE_TOKEN_BYTES)
            return err_set(err, ERR_LIMIT, 0, "a nextToken of more than %d bytes",
                           WIRE_TOKEN_BYTES - 1);
        memcpy(reading->token, text, strlen(text) + 1);
        return true;
    }
    return list->outside == NULL || list->outside(list->self, path, text, err);
}

bool wire_doubt(struct err *err)
{
    if (err->kind == ERR_SENT)
        (void)err_suggest(err,
                          "try again; if it stays so, see what lies between this node and EC2: "
                          "[aws] endpoint_ec2, a proxy");
    if (err->kind == ERR_PROTOCOL || err->kind == ERR_LIMIT)
        (void)err_suggest(err, "see what answers in EC2's place: [aws] endpoint_ec2, "
                               "AWS_ENDPOINT_URL_EC2, a proxy in between; or try again");
    return false;
}

bool wire_read(const char *action, const char *body, size_t len, const struct wire_list *list,
               char *ret_token, struct err *err)
{
    char root[100];
    struct reading reading = {list, ret_token};
    struct xml_handler handler = {.self = &reading, .open = on_open, .close = on_close};

    ret_token[0] = '\0';
    (void)snprintf(root, sizeof(root), "%sResponse", action);
    return xml_parse(body, len, root, &handler, err) || wire_doubt(err);
}

/* --- calls --- */

bool wire_call_list(struct ec2 *ec2, const struct wire_call *call, const struct wire_list *list,
                    struct err *err)
{
    struct buf body = BUF_INIT(XML_TOTAL_MAX_BYTES);
    char token[WIRE_TOKEN_BYTES];
    bool ok = wire_send(ec2, call, &body, err);

    if (ok && !wire_read(call->action, buf_text(&body), body.len, list, token, err))
        ok = err_wrap(err, "%s", call->action);
    if (call->secret)
        buf_wipe(&body);
    else
        buf_free(&body);
    return ok;
}

static bool send_page(struct ec2 *ec2, const struct wire_call *call, int items, const char *token,
                      struct buf *ret_body, struct err *err)
{
    struct query *query = call->query;
    size_t len = query->body.len;

    if (items > 0)
        query_add_int(query, "MaxResults", items);
    if (*token != '\0')
        query_add(query, "NextToken", token);
    bool ok = wire_send(ec2, call, ret_body, err);
    buf_cut(&query->body, len); /* without what is this page's alone */
    return ok;
}

static bool call_page(struct ec2 *ec2, const struct wire_call *call, const struct wire_list *list,
                      int *items, char *token, struct err *err)
{
    struct buf body = BUF_INIT(XML_TOTAL_MAX_BYTES);
    bool ok = send_page(ec2, call, *items, token, &body, err);

    while (!ok && err->kind == ERR_LIMIT && *items > PAGE_ITEMS_MIN) {
        *items = *items / 4 > PAGE_ITEMS_MIN ? *items / 4 : PAGE_ITEMS_MIN;
        *err = (struct err)ERR_INIT;
        ok = send_page(ec2, call, *items, token, &body, err);
    }
    if (ok && !wire_read(call->action, buf_text(&body), body.len, list, token, err))
        ok = err_wrap(err, "%s", call->action);
    buf_free(&body);
    return ok;
}

bool wire_call_pages(struct ec2 *ec2, const struct wire_call *call, const struct wire_list *list,
                     struct err *err)
{
    char token[WIRE_TOKEN_BYTES] = "", seen[WIRE_TOKEN_BYTES] = "";
    int items = call->page_items;

    for (unsigned page = 1; page <= PAGES_MAX; page++) {
        if (!call_page(ec2, call, list, &items, token, err))
            return false;
        if (token[0] == '\0')
            return true;
        /* One remembered token, moved at powers of two, meets any circle in the end. */
        if (strcmp(token, seen) == 0)
            return err_set(err, ERR_PROTOCOL, 0, "%s: EC2's pages go round in a circle",
                           call->action);
        if ((page & (page - 1)) == 0)
            memcpy(seen, token, sizeof(seen));
    }
    return err_set(err, ERR_LIMIT, 0, "%s: more than %d pages", call->action, PAGES_MAX);
}

struct one_text {
    const char *path;
    struct buf *text;
};

static bool take_one_text(void *self, const char *path, const char *text, struct err *err)
{
    struct one_text *one = self;

    return strcmp(path, one->path) != 0 || one->text->len > 0 || buf_add_text(one->text, text, err);
}

bool wire_call_text(struct ec2 *ec2, const struct wire_call *call, const char *path,
                    struct buf *ret_text, struct err *err)
{
    struct one_text one = {path, ret_text};
    struct wire_list list = {.self = &one, .outside = take_one_text};

    return wire_call_list(ec2, call, &list, err);
}
