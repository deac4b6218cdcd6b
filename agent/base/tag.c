/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/tag.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/base/parse.h"
#include "agent/base/utf8.h"

enum { SHOWN_CHARS = 40, SHOWN_BYTES = 4 * SHOWN_CHARS + sizeof("…") };

/* The beginning of a KEY that may be endless, into SHOWN; returns SHOWN. */
static const char *shorten(const char *key, char *shown)
{
    (void)snprintf(shown, SHOWN_BYTES, "%.*s", 4 * SHOWN_CHARS, key);
    parse_cut_utf8(shown, SHOWN_CHARS, 4 * SHOWN_CHARS);
    if (strlen(shown) < strlen(key))
        strcat(shown, "…");
    return shown;
}

static bool check_length(const char *what, const char *key, size_t chars, size_t most,
                         struct err *err)
{
    char shown[SHOWN_BYTES];

    if (chars <= most)
        return true;
    (void)err_set(err, ERR_USAGE, 0, "%s '%s' has %zu characters, more than %zu", what,
                  shorten(key, shown), chars, most);
    return err_suggest(err, "EC2 takes no longer one: shorten it");
}

bool tag_check_own(const char *key, const char *value, struct err *err)
{
    if (!utf8_is_valid(key) || !utf8_is_valid(value)) {
        (void)err_set(err, ERR_USAGE, 0, "not UTF-8");
        return err_suggest(err, "write it in UTF-8");
    }
    if (key[0] == '\0') {
        (void)err_set(err, ERR_USAGE, 0, "a tag without a key");
        return err_suggest(err, "write it as KEY=VALUE");
    }
    if (strncasecmp(key, "aws:", 4) == 0 || strncmp(key, "stillpoint:", 11) == 0) {
        (void)err_set(err, ERR_USAGE, 0, "keys that begin with '%.*s' are not yours to set",
                      (int)(strchr(key, ':') - key + 1), key);
        return err_suggest(err, "choose another key");
    }
    if (strcmp(key, "Name") == 0) {
        (void)err_set(err, ERR_USAGE, 0, "the tag Name is set by Stillpoint");
        return err_suggest(err, "choose another key");
    }
    return check_length("the key", key, utf8_count(key), TAG_KEY_CHARS_MAX, err) &&
           check_length("the value of", key, utf8_count(value), TAG_VALUE_CHARS_MAX, err);
}
