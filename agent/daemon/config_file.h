/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CONFIG_FILE_H
#define STILLPOINT_CONFIG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

/* One INI file, read strictly on top of inih: what inih passes over in silence (a line longer than
 * its buffer, a section's name cut short, a key twice) is an error here. Its opening is also that
 * of the files that the configuration names. */

struct config_file_sink {
    void *self;
    /* Both: false with the err set; where it stands is put in front by the caller of the sink. */
    bool (*section)(void *self, const char *name, struct err *err);
    /* MORE: the line goes on with the value of the line before. */
    bool (*value)(void *self, const char *key, const char *value, bool more, const char *origin,
                  struct err *err);
};

enum { CONFIG_FILE_BYTES_MAX = 256 * 1024 };

/* Whether root or the user we run as owns PATH, whose ST this is, and nobody else can write it.
 *   false  ERR_CONFIG, with the command that mends it */
bool config_file_owner_ok(const char *path, const struct stat *st, struct err *err);
/* Opens PATH, which must be a file that root or the user we run as owns and nobody else can write,
 * and adds what it holds to RET_TEXT.
 *   false  ERR_NOT_FOUND: it is not there; ERR_CONFIG; ERR_INTERNAL */
bool config_file_text(const char *path, struct buf *ret_text, struct err *err);
/* The same, whoever owns or can write it: for what must not hang on that. */
bool config_file_text_of_anyone(const char *path, struct buf *ret_text, struct err *err);
/* config_file_text, parsed.
 *   false  ERR_CONFIG then is "PATH:LINE: …" */
bool config_file_read(const char *path, const struct config_file_sink *sink, struct err *err);
/* The same from memory; PATH is for messages. */
bool config_file_parse(const char *path, const char *text, size_t len,
                       const struct config_file_sink *sink, struct err *err);

#endif
