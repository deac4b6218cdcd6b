/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/credentials_file.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/fileio.h"

enum { FILE_MAX_BYTES = 256 * 1024 };

static char *trim(char *text)
{
    size_t len;

    text += strspn(text, " \t\r");
    for (len = strlen(text); len > 0 && strchr(" \t\r", text[len - 1]) != NULL; len--)
        text[len - 1] = '\0';
    return text;
}

static bool take_line(char *line, struct credentials_key *key, struct err *err)
{
    char *equals = strchr(line, '=');

    if (equals == NULL)
        return true; /* a continuation or something of a newer format: not ours */
    *equals = '\0';
    const char *name = trim(line), *value = trim(equals + 1);
    size_t len = strlen(value);
    if (strcmp(name, "aws_secret_access_key") == 0)
        return secret_set(&key->secret_key, value, len, err);
    if (strcmp(name, "aws_session_token") == 0)
        return secret_set(&key->session_token, value, len, err);
    if (strcmp(name, "aws_access_key_id") != 0)
        return true;
    if (len >= sizeof(key->access_key_id))
        return err_set(err, ERR_CREDENTIALS, 0, "aws_access_key_id is too long");
    memcpy(key->access_key_id, value, len + 1);
    return true;
}

/* TEXT is cut up. */
static bool take_profile(char *text, const char *profile, struct credentials_key *key,
                         bool *ret_found, struct err *err)
{
    bool within = false;
    char *line;

    *ret_found = false;
    while ((line = strsep(&text, "\n")) != NULL) {
        line = trim(line);
        if (*line == '[') {
            char *end = strchr(line, ']');
            if (end != NULL)
                *end = '\0';
            within = end != NULL && strcmp(trim(line + 1), profile) == 0;
            *ret_found = *ret_found || within;
        } else if (within && *line != '#' && *line != ';' && !take_line(line, key, err)) {
            return false;
        }
    }
    return true;
}

bool credentials_read_file(const char *path, const char *profile, struct credentials_key *ret_key,
                           struct err *err)
{
    struct buf text = BUF_INIT(FILE_MAX_BYTES);
    struct credentials_key key = CREDENTIALS_KEY_INIT;
    bool found = false;
    bool ok = fileio_read(path, &text, err);

    if (!ok && err->kind == ERR_NOT_FOUND)
        err->kind = ERR_CREDENTIALS;
    if (!ok)
        (void)err_suggest(err, "profile in [aws] is looked up in this file: make it readable to "
                               "the daemon's user, or remove profile");
    ok = ok && (text.len == 0 || take_profile(text.data, profile, &key, &found, err));
    if (ok && !found) {
        ok = err_set(err, ERR_CREDENTIALS, 0, "%s has no profile [%s]", path, profile);
    } else if (ok && (key.access_key_id[0] == '\0' || !secret_is_set(&key.secret_key))) {
        ok = err_set(err, ERR_CREDENTIALS, 0,
                     "%s: [%s] lacks aws_access_key_id or aws_secret_access_key", path, profile);
        (void)err_suggest(err,
                          "profiles that only name a role, SSO or a process are not read: give "
                          "the keys themselves");
    }
    buf_wipe(&text);
    if (!ok) {
        credentials_key_free(&key);
        return false;
    }
    credentials_key_free(ret_key);
    *ret_key = key;
    return true;
}
