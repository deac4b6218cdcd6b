/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/xml.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <expat.h>

#include "agent/base/buf.h"

struct parse {
    XML_Parser parser;
    const struct xml_handler *handler;
    const char *root;
    char *ret_root; /* xml_root_name: its buffer; the parse ends at the first element */
    size_t ret_root_size;
    int depth; /* 1 within the root */
    size_t elements;
    char path[XML_PATH_BYTES];
    size_t path_len[XML_DEPTH_MAX + 1]; /* of the path at each depth */
    bool has_children[XML_DEPTH_MAX + 1];
    struct buf text;
    bool failed;
    struct err err;
};

static void stop(struct parse *parse)
{
    parse->failed = true;
    (void)XML_StopParser(parse->parser, XML_FALSE);
}

static const char *local_name(const char *name)
{
    const char *colon = strrchr(name, ':');

    return colon != NULL && colon[1] != '\0' ? colon + 1 : name; /* "a:" is well formed */
}

static bool enter_root(struct parse *parse, const char *name)
{
    if (parse->ret_root != NULL) {
        (void)snprintf(parse->ret_root, parse->ret_root_size, "%s", name);
        return false;
    }
    if (parse->root != NULL && strcmp(parse->root, name) != 0)
        return err_set(&parse->err, ERR_PROTOCOL, 0, "XML: <%.60s> where <%s> was expected", name,
                       parse->root);
    return true;
}

static bool enter(struct parse *parse, const char *name)
{
    size_t len = parse->path_len[parse->depth - 1], more = strlen(name);

    if (parse->depth > XML_DEPTH_MAX)
        return err_set(&parse->err, ERR_LIMIT, 0, "XML: more than %d levels", XML_DEPTH_MAX);
    if (++parse->elements > XML_ELEMENTS_MAX)
        return err_set(&parse->err, ERR_LIMIT, 0, "XML: more than %d elements", XML_ELEMENTS_MAX);
    if (len + 1 + more >= sizeof(parse->path))
        return err_set(&parse->err, ERR_LIMIT, 0, "XML: a path of more than %d bytes",
                       XML_PATH_BYTES - 1);
    if (len > 0)
        parse->path[len++] = '/';
    memcpy(parse->path + len, name, more + 1);
    parse->path_len[parse->depth] = len + more;
    parse->has_children[parse->depth] = false;
    return parse->handler->open == NULL ||
           parse->handler->open(parse->handler->self, parse->path, &parse->err);
}

static void XMLCALL on_start(void *self, const XML_Char *name, const XML_Char **attributes)
{
    struct parse *parse = self;
    bool ok;

    (void)attributes;
    if (parse->failed)
        return; /* expat may call once more after a stop */
    buf_clear(&parse->text);
    if (parse->depth == 0) {
        ok = enter_root(parse, local_name(name));
    } else {
        if (parse->depth > 1)
            parse->has_children[parse->depth - 1] = true;
        ok = enter(parse, local_name(name));
    }
    parse->depth++;
    if (!ok)
        stop(parse);
}

static void XMLCALL on_end(void *self, const XML_Char *name)
{
    struct parse *parse = self;

    (void)name;
    if (parse->failed)
        return;
    parse->depth--;
    if (parse->depth > 0) {
        const char *text = parse->has_children[parse->depth] ? "" : buf_text(&parse->text);
        if (parse->handler->close != NULL &&
            !parse->handler->close(parse->handler->self, parse->path, text, &parse->err))
            stop(parse);
        parse->path[parse->path_len[parse->depth - 1]] = '\0';
    }
    buf_clear(&parse->text);
}

static void XMLCALL on_text(void *self, const XML_Char *text, int len)
{
    struct parse *parse = self;

    if (parse->failed || len <= 0)
        return;
    if (!buf_add(&parse->text, text, (size_t)len, &parse->err)) {
        (void)err_wrap(&parse->err, "XML: the text of an element");
        stop(parse);
    }
}

static void XMLCALL on_doctype(void *self, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_internal)
{
    struct parse *parse = self;

    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal;
    if (parse->failed)
        return;
    (void)err_set(&parse->err, ERR_PROTOCOL, 0, "XML: a document type is not accepted");
    stop(parse);
}

static bool run(struct parse *parse, const char *bytes, size_t len, struct err *err)
{
    if (len > XML_TOTAL_MAX_BYTES)
        return err_set(err, ERR_LIMIT, 0, "XML: more than %d bytes", XML_TOTAL_MAX_BYTES);
    parse->parser = XML_ParserCreate(NULL);
    if (parse->parser == NULL)
        return err_set(err, ERR_INTERNAL, 0, "XML: out of memory");
    XML_SetUserData(parse->parser, parse);
    XML_SetElementHandler(parse->parser, on_start, on_end);
    XML_SetCharacterDataHandler(parse->parser, on_text);
    XML_SetStartDoctypeDeclHandler(parse->parser, on_doctype);
    bool ok = XML_Parse(parse->parser, len > 0 ? bytes : "", (int)len, 1) == XML_STATUS_OK;
    if (parse->failed)
        *err = parse->err;
    else if (!ok)
        (void)err_set(err, ERR_PROTOCOL, 0, "XML: line %lu: %s",
                      XML_GetCurrentLineNumber(parse->parser),
                      XML_ErrorString(XML_GetErrorCode(parse->parser)));
    XML_ParserFree(parse->parser);
    buf_wipe(&parse->text);
    return ok && !parse->failed;
}

bool xml_parse(const char *bytes, size_t len, const char *root, const struct xml_handler *handler,
               struct err *err)
{
    struct parse parse = {
        .handler = handler, .root = root, .text = BUF_INIT(XML_TEXT_MAX_BYTES), .err = ERR_INIT};

    return run(&parse, bytes, len, err);
}

bool xml_root_name(const char *bytes, size_t len, char *name, size_t size)
{
    struct parse parse = {.ret_root = name,
                          .ret_root_size = size,
                          .text = BUF_INIT(XML_TEXT_MAX_BYTES),
                          .err = ERR_INIT};
    struct err err = ERR_INIT;

    name[0] = '\0';
    (void)run(&parse, bytes, len, &err); /* always fails: it is stopped at the root, or before */
    return name[0] != '\0';
}
