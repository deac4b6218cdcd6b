/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/buf.h"
#include "agent/base/comment.h"
#include "agent/base/fileio.h"
#include "agent/daemon/strs.h"

enum { SECTION_BYTES = 48, KEY_BYTES = 48 }; /* inih cuts at 49 */

struct reader {
    const char *path;
    const char *at, *end; /* what inih has not seen yet */
    const struct config_file_sink *sink;
    struct err *err; /* set once failed_line is */
    int line;        /* the one that inih has now; from 1 */
    int failed_line; /* 0: none */
    bool indented;   /* it begins with white space */
    bool in_section;
    char section[SECTION_BYTES + 1];
    char last_key[KEY_BYTES + 1]; /* of this section; what an indented line goes on with */
    struct strs seen;             /* "section\nkey" of this file */
};

static bool fail(struct reader *reader)
{
    struct err *err = reader->err;

    reader->failed_line = reader->line;
    if (err->kind != ERR_INTERNAL)
        err->kind = ERR_CONFIG;
    return err_wrap(err, "%s:%d", reader->path, reader->line);
}

/* inih tells of a section only with its first key; we want to know of every one. */
static bool enter_section(struct reader *reader, const char *line)
{
    const char *end = strchr(line, ']');

    if (end == NULL)
        return true; /* inih says so itself */
    size_t len = (size_t)(end - line - 1);
    reader->last_key[0] = '\0';
    if (len > SECTION_BYTES) {
        (void)err_set(reader->err, ERR_CONFIG, 0, "a section's name of more than %d bytes",
                      SECTION_BYTES);
        return fail(reader);
    }
    memcpy(reader->section, line + 1, len);
    reader->section[len] = '\0';
    reader->in_section = true;
    if (!reader->sink->section(reader->sink->self, reader->section, reader->err))
        return fail(reader);
    return true;
}

/* What may stand behind the closing bracket: nothing but a comment. */
static bool section_tail_ok(const char *line)
{
    const char *end = strchr(line, ']');

    if (end == NULL)
        return true;
    end += 1 + strspn(end + 1, " \t\r\n");
    return *end == '\0' || *end == ';' || *end == '#';
}

static bool look_at(struct reader *reader, const char *line)
{
    const char *start = line + strspn(line, " \t\r\n\v\f");

    if (reader->line == 1 && strncmp(start, "\xef\xbb\xbf", 3) == 0)
        start += 3; /* inih takes a byte order mark too */
    reader->indented = start > line && *line != '\xef' && reader->last_key[0] != '\0';
    if (*start != '[' || reader->indented)
        return true;
    if (!section_tail_ok(start)) {
        (void)err_set(reader->err, ERR_CONFIG, 0, "text behind a section's name");
        (void)err_suggest(reader->err, "write [section] on a line of its own");
        return fail(reader);
    }
    return enter_section(reader, start);
}

/* inih's reader, in the shape of fgets: one whole line, or the end. */
static char *next_line(char *line, int room, void *self)
{
    struct reader *reader = self;
    const char *newline;

    if (reader->failed_line != 0 || reader->at >= reader->end)
        return NULL;
    reader->line++;
    newline = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
    size_t len = (size_t)((newline ? newline + 1 : reader->end) - reader->at);
    if (len + 1 > (size_t)room) { /* inih would get it in pieces */
        (void)err_set(reader->err, ERR_CONFIG, 0, "a line of more than %d bytes", room - 2);
        (void)err_suggest(reader->err, "go on in further lines that begin with white space");
        (void)fail(reader);
        return NULL;
    }
    memcpy(line, reader->at, len);
    line[len] = '\0';
    reader->at += len;
    return look_at(reader, line) ? line : NULL;
}

static bool note_key(struct reader *reader, const char *key)
{
    char name[SECTION_BYTES + KEY_BYTES + 2];

    if (!reader->in_section) {
        (void)err_set(reader->err, ERR_CONFIG, 0, "'%.60s' stands before any [section]", key);
        return err_suggest(reader->err, "put its [section] on a line above it");
    }
    if (strlen(key) > KEY_BYTES)
        return err_set(reader->err, ERR_CONFIG, 0, "no key has such a long name: '%.60s'", key);
    (void)snprintf(name, sizeof(name), "%s\n%s", reader->section, key);
    if (strs_has(&reader->seen, name)) {
        (void)err_set(reader->err, ERR_CONFIG, 0, "'%s' is in [%s] of this file already", key,
                      reader->section);
        return err_suggest(reader->err, "keep one of the two lines");
    }
    memcpy(reader->last_key, key, strlen(key) + 1);
    return strs_add(&reader->seen, name, reader->err);
}

static int take_value(void *self, const char *section, const char *key, const char *value)
{
    struct reader *reader = self;
    AUTO_FREE char *copy = strdup(value);
    char origin[1200];

    (void)section; /* cut by inih; ours is whole */
    if (reader->failed_line != 0)
        return 0;
    bool more = reader->indented && strcmp(key, reader->last_key) == 0;
    if (copy == NULL)
        (void)err_set(reader->err, ERR_INTERNAL, 0, "out of memory");
    if (copy == NULL || (!more && !note_key(reader, key))) {
        (void)fail(reader);
        return 0;
    }
    comment_cut(copy);
    (void)snprintf(origin, sizeof(origin), "%s:%d", reader->path, reader->line);
    if (!reader->sink->value(reader->sink->self, key, copy, more, origin, reader->err)) {
        (void)fail(reader);
        return 0;
    }
    return 1;
}

static bool text_ok(const char *path, const char *text, size_t len, struct err *err)
{
    int line = 1;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        line += c == '\n';
        if (c < 0x20 && c != '\n' && c != '\t' && c != '\r') {
            (void)err_set(err, ERR_CONFIG, 0, "%s:%d: a control character (0x%02x)", path, line, c);
            return err_suggest(err, "remove it: the file must be plain text");
        }
    }
    return true;
}

bool config_file_parse(const char *path, const char *text, size_t len,
                       const struct config_file_sink *sink, struct err *err)
{
    struct err found = ERR_INIT;
    struct reader reader = {
        .path = path, .at = text, .end = text + len, .sink = sink, .err = &found};

    if (!text_ok(path, text, len, err))
        return false;
    int bad_line = ini_parse_stream(next_line, &reader, take_value, &reader);
    strs_free(&reader.seen);
    if (bad_line < 0)
        return err_set(err, ERR_INTERNAL, 0, "%s: out of memory", path);
    if (bad_line > 0 && (reader.failed_line == 0 || bad_line < reader.failed_line)) {
        (void)err_set(err, ERR_CONFIG, 0, "%s:%d: neither [section] nor key = value nor a comment",
                      path, bad_line);
        return err_suggest(err, "comments begin with # or ;");
    }
    if (reader.failed_line == 0)
        return true;
    *err = found;
    return false;
}

bool config_file_owner_ok(const char *path, const struct stat *st, struct err *err)
{
    if (st->st_uid != 0 && st->st_uid != geteuid()) {
        (void)err_set(err, ERR_CONFIG, 0, "%s: belongs to user %u, who could change it", path,
                      (unsigned)st->st_uid);
        return err_suggest(err, "chown root %s", path);
    }
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        (void)err_set(err, ERR_CONFIG, 0, "%s: others than its owner can write it (mode %04o)",
                      path, (unsigned)st->st_mode & 07777U);
        return err_suggest(err, "chmod go-w %s", path);
    }
    return true;
}

static bool read_text(const char *path, bool of_anyone, struct buf *ret_text, struct err *err)
{
    struct stat st;

    /* O_NONBLOCK: a FIFO must not hold us. */
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND, errno, "%s", path);
    if (fd < 0) {
        bool denied = errno == EACCES;
        (void)err_set(err, ERR_CONFIG, errno, "%s", path);
        return denied ? err_suggest(err,
                                    "be root; the daemon's user must be able to read it, too: "
                                    "chown root:stillpoint %s && chmod 640 %s",
                                    path, path)
                      : false;
    }
    if (fstat(fd, &st) != 0)
        return err_set(err, ERR_CONFIG, errno, "%s", path);
    if (!S_ISREG(st.st_mode)) {
        (void)err_set(err, ERR_CONFIG, 0, "%s: not a regular file", path);
        return err_suggest(err, "put the settings into a file of that name, or remove it");
    }
    if (!of_anyone && !config_file_owner_ok(path, &st, err))
        return false;
    if (!fileio_read_fd(fd, path, ret_text, err)) {
        if (err->kind != ERR_INTERNAL)
            err->kind = ERR_CONFIG;
        return false;
    }
    return true;
}

bool config_file_text(const char *path, struct buf *ret_text, struct err *err)
{
    return read_text(path, false, ret_text, err);
}

bool config_file_text_of_anyone(const char *path, struct buf *ret_text, struct err *err)
{
    return read_text(path, true, ret_text, err);
}

bool config_file_read(const char *path, const struct config_file_sink *sink, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(CONFIG_FILE_BYTES_MAX);

    return config_file_text(path, &text, err) &&
           config_file_parse(path, buf_text(&text), text.len, sink, err);
}
