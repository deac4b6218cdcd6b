/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/verify_server_log.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LINE_BYTES = 300 };

/* That MariaDB has no ha_archive, which it is asked for in case, is none. */
static bool is_ours(const char *line, size_t bytes)
{
    static const char name[] = "ha_archive.so";

    return memmem(line, bytes, name, sizeof(name) - 1) != NULL;
}

/* Where in LINE the reason begins; NULL: it has none. */
static const char *find_reason(const char *line, size_t bytes)
{
    static const char *const starts[] = {"mysqld: ", "mariadbd: "};
    static const char mark[] = "[ERROR] ";
    const char *at = memmem(line, bytes, mark, sizeof(mark) - 1);

    if (is_ours(line, bytes))
        return NULL;
    if (at != NULL)
        return at + sizeof(mark) - 1;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        size_t length = strlen(starts[i]);
        if (bytes > length && memcmp(line, starts[i], length) == 0)
            return line + length;
    }
    return NULL;
}

void verify_server_log_why(const char *log, char *ret_why)
{
    size_t len = 0;

    ret_why[0] = '\0';
    for (const char *line = log; *line != '\0';) {
        size_t bytes = strcspn(line, "\n");
        const char *reason = find_reason(line, bytes);
        if (reason != NULL && len + LINE_BYTES + 4 < VERIFY_SERVER_LOG_WHY_BYTES) {
            int take = (int)(line + bytes - reason);
            len += (size_t)snprintf(ret_why + len, VERIFY_SERVER_LOG_WHY_BYTES - len, "%s%.*s",
                                    len > 0 ? " / " : "", take < LINE_BYTES ? take : LINE_BYTES,
                                    reason);
        }
        line += bytes + (line[bytes] == '\n');
    }
    if (ret_why[0] == '\0')
        (void)snprintf(ret_why, VERIFY_SERVER_LOG_WHY_BYTES, "no error in its log");
}

/* Names are anything: what is quoted, and what has a slash in it, becomes blank. */
static void blank_names(char *text)
{
    for (char *at = text; *at != '\0';) {
        bool begins = at == text || !isalnum((unsigned char)at[-1]); /* that of "can't" does not */
        char *end = begins && strchr("'\"`", *at) != NULL ? strchr(at + 1, *at) : NULL;
        size_t bytes = end != NULL ? (size_t)(end + 1 - at) : strcspn(at, " '\"`");
        if (end != NULL || memchr(at, '/', bytes) != NULL)
            memset(at, ' ', bytes);
        at += bytes > 0 ? bytes : 1;
    }
}

/* Also the first part of "keyring_file", which is a server's own. */
static bool has_word(const char *text, const char *word)
{
    for (const char *at = text; (at = strcasestr(at, word)) != NULL; at++) {
        if (at == text || (!isalnum((unsigned char)at[-1]) && strchr("_.$", at[-1]) == NULL))
            return true;
    }
    return false;
}

bool verify_server_log_wants_key(const char *why)
{
    static const char *const words[] = {"encryption key", "master key", "keyring"};
    char text[VERIFY_SERVER_LOG_WHY_BYTES];

    (void)snprintf(text, sizeof(text), "%s", why);
    blank_names(text);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (has_word(text, words[i]))
            return true;
    }
    return false;
}
