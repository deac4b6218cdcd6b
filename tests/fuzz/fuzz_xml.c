/* SPDX-License-Identifier: BSD-2-Clause */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_error.h"
#include "aws/xml.h"

/* Any bytes as an XML answer and as an error body. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t open, closed;
};

static bool on_open(void *self, const char *path, struct err *err)
{
    (void)err;
    if (strlen(path) >= XML_PATH_BYTES)
        abort();
    ((struct seen *)self)->open++;
    return true;
}

static bool on_close(void *self, const char *path, const char *text, struct err *err)
{
    (void)err;
    if (strlen(path) >= XML_PATH_BYTES || strlen(text) > XML_TEXT_MAX_BYTES)
        abort();
    ((struct seen *)self)->closed++;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen seen = {0, 0};
    struct xml_handler handler = {.self = &seen, .open = on_open, .close = on_close};
    struct err err = ERR_INIT;
    struct aws_error error;
    char name[32];

    bool ok = xml_parse((const char *)data, size, NULL, &handler, &err);
    if (ok && seen.open != seen.closed)
        abort();
    if (ok && !xml_root_name((const char *)data, size, name, sizeof(name)))
        abort();
    if (ok == (err.kind != ERR_NONE))
        abort();
    aws_parse_error(503, (const char *)data, size, &error);
    if (error.code[0] == '\0' || strlen(error.message) >= AWS_MESSAGE_BYTES)
        abort();
    (void)aws_explain(&error, AWS_SINGLE, "ec2", "CreateSnapshots", "role x", &err);
    return 0;
}
