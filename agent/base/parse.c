/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Reads the digits at the front. *ret_big: more than can be told, which is no other kind of
 * mistake. */
static bool leading_number(const char *text, int64_t *ret_value, bool *ret_big,
                           const char **ret_rest)
{
    char *end = NULL;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    *ret_big = errno == ERANGE;
    *ret_value = value;
    *ret_rest = end;
    return true;
}

bool parse_int64(const char *text, int64_t min, int64_t max, int64_t *ret_value, struct err *err)
{
    bool negative = *text == '-', big = false;
    const char *rest = NULL;
    int64_t value;

    if (!leading_number(text + negative, &value, &big, &rest) || *rest != '\0') {
        (void)err_set(err, ERR_USAGE, 0, "'%s' is not a whole number", text);
        return err_suggest(err, "write a number from %" PRId64 " to %" PRId64, min, max);
    }
    if (negative)
        value = -value;
    if (big || value < min || value > max) {
        (void)err_set(err, ERR_USAGE, 0, "%s is out of range", text);
        return err_suggest(err, "write a number from %" PRId64 " to %" PRId64, min, max);
    }
    *ret_value = value;
    return true;
}

static bool scaled(const char *text, const struct unit *units, int64_t *ret_value, bool *ret_big)
{
    const char *rest = NULL;
    int64_t value;

    if (!leading_number(text, &value, ret_big, &rest))
        return false;
    if (*rest == '\0' && value == 0) {
        *ret_value = 0;
        return true;
    }
    for (; units->name != NULL; units++) {
        if (strcmp(rest, units->name) != 0)
            continue;
        *ret_big = __builtin_mul_overflow(value, units->factor, ret_value) || *ret_big;
        return true;
    }
    return false;
}

bool parse_duration_ms(const char *text, int64_t min_ms, int64_t max_ms, int64_t *ret_ms,
                       struct err *err)
{
    static const struct unit units[] = {
        {"ms", 1},        {"s", 1000},       {"m", 60000}, {"h", 3600000},
        {"d", 86400000L}, {"w", 604800000L}, {NULL, 0},
    };
    char low[32], high[32];
    bool big = false;
    int64_t value;

    if (!scaled(text, units, &value, &big)) {
        (void)err_set(err, ERR_USAGE, 0, "'%s' is not a duration", text);
        return err_suggest(err, "write a number with its unit: 500ms, 10s, 5m, 2h, 7d, 4w");
    }
    if (big || value < min_ms || value > max_ms) {
        (void)err_set(err, ERR_USAGE, 0, "%s is out of range", text);
        return err_suggest(err, "write a duration from %s to %s", parse_duration_text(min_ms, low),
                           parse_duration_text(max_ms, high));
    }
    *ret_ms = value;
    return true;
}

bool parse_size_bytes(const char *text, int64_t min_bytes, int64_t max_bytes, int64_t *ret_bytes,
                      struct err *err)
{
    static const struct unit units[] = {
        {"B", 1},           {"KiB", 1LL << 10}, {"MiB", 1LL << 20},
        {"GiB", 1LL << 30}, {"TiB", 1LL << 40}, {NULL, 0},
    };
    bool big = false;
    int64_t value;

    if (!scaled(text, units, &value, &big)) {
        (void)err_set(err, ERR_USAGE, 0, "'%s' is not a size", text);
        return err_suggest(err, "write a number with its unit: 512B, 64KiB, 64MiB, 1GiB");
    }
    if (big || value < min_bytes || value > max_bytes) {
        (void)err_set(err, ERR_USAGE, 0, "%s is out of range", text);
        return err_suggest(err, "write a size from %" PRId64 "B to %" PRId64 "B", min_bytes,
                           max_bytes);
    }
    *ret_bytes = value;
    return true;
}

bool parse_bool(const char *text, bool *ret_value, struct err *err)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        bool is_yes = strcmp(text, yes[i]) == 0;
        if (is_yes || strcmp(text, no[i]) == 0) {
            *ret_value = is_yes;
            return true;
        }
    }
    (void)err_set(err, ERR_USAGE, 0, "'%s' is neither yes nor no", text);
    return err_suggest(err, "write yes or no");
}

bool parse_key_value(const char *text, char **ret_key, char **ret_value, struct err *err)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text) {
        (void)err_set(err, ERR_USAGE, 0, "'%s' is not KEY=VALUE", text);
        return err_suggest(err, "write it as KEY=VALUE");
    }
    char *key = strndup(text, (size_t)(equals - text));
    char *value = strdup(equals + 1);
    if (key == NULL || value == NULL) {
        free(key);
        free(value);
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    }
    *ret_key = key;
    *ret_value = value;
    return true;
}

bool parse_device(const char *text, uint32_t *ret_major, uint32_t *ret_minor)
{
    bool big = false; /* then it is INT64_MAX, which no device has */
    int64_t major = 0, minor = 0;
    const char *rest = NULL;

    if (!leading_number(text, &major, &big, &rest) || *rest != ':' ||
        !leading_number(rest + 1, &minor, &big, &rest) || *rest != '\0' || major > UINT32_MAX ||
        minor > UINT32_MAX)
        return false;
    *ret_major = (uint32_t)major;
    *ret_minor = (uint32_t)minor;
    return true;
}

enum { NEAREST_MAX = 48 };

/* Levenshtein over two rows; words longer than NEAREST_MAX are not compared. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NEAREST_MAX + 1], len_a = strlen(a), len_b = strlen(b);

    if (len_a > NEAREST_MAX || len_b > NEAREST_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= len_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= len_a; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= len_b; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t shift = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < shift ? change : shift;
        }
    }
    return row[len_b];
}

const char *parse_nearest(const char *word, const char *const *candidates)
{
    const char *best = NULL;
    size_t best_distance = 4;

    for (; *candidates != NULL; candidates++) {
        size_t d = distance(word, *candidates);
        if (d < best_distance && d * 2 < strlen(*candidates) + 1) {
            best = *candidates;
            best_distance = d;
        }
    }
    return best;
}

char *parse_duration_text(int64_t ms, char *text)
{
    enum { ROOM = 32 };
    static const struct unit units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}};
    size_t i = 0;

    while (i < 2 && ms < units[i].factor)
        i++;
    int64_t whole = ms / units[i].factor, rest = ms % units[i].factor / units[i + 1].factor;
    if (ms < 60000 && ms % 1000 == 0)
        (void)snprintf(text, ROOM, "%" PRId64 "s", ms / 1000);
    else if (ms < 60000)
        (void)snprintf(text, ROOM, "%" PRId64 "ms", ms);
    else if (rest == 0)
        (void)snprintf(text, ROOM, "%" PRId64 "%s", whole, units[i].name);
    else
        (void)snprintf(text, ROOM, "%" PRId64 "%s%" PRId64 "%s", whole, units[i].name, rest,
                       units[i + 1].name);
    return text;
}

/* How many bytes the character at TEXT has; 1 for a byte that starts none. */
static size_t utf8_len(const unsigned char *text)
{
    size_t want = *text >= 0xf0 ? 4 : *text >= 0xe0 ? 3 : *text >= 0xc2 ? 2 : 1;

    for (size_t i = 1; i < want; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 1;
    }
    return want;
}

void parse_cut_utf8(char *text, size_t max_chars, size_t max_bytes)
{
    size_t at = 0;

    for (size_t chars = 0; text[at] != '\0'; chars++) {
        size_t len = utf8_len((const unsigned char *)text + at);
        if (chars == max_chars || at + len > max_bytes) {
            text[at] = '\0';
            return;
        }
        at += len;
    }
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

void parse_unescape(char *text)
{
    char *to = text;

    for (const char *at = text; *at != '\0';) {
        if (at[0] == '\\' && is_octal(at[1]) && is_octal(at[2]) && is_octal(at[3])) {
            int c = (at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0');
            *to++ = (char)(unsigned char)(c & 0xff);
            at += 4;
        } else {
            *to++ = *at++;
        }
    }
    *to = '\0';
}
