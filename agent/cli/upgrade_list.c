/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/upgrade_list.h"

#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/deadline.h"
#include "agent/base/tag.h"
#include "agent/base/utf8.h"

enum { NAME_BYTES_MAX = 1024 }; /* fnmatch takes its time with what has no end */

struct span {
    const char *at;
    size_t len;
};

struct reading {
    const char *at, *end;
    size_t line; /* of the one that was read last */
    bool architectures;
    const struct strs *patterns;
    struct upgrade_list *list;
    size_t room;
};

#define OF_WHOM                                                                                    \
    "it is the package manager that calls pre-upgrade, with a list in version 2 or 3 of apt's "    \
    "protocol"

static bool malformed(const struct reading *reading, const char *what, struct err *err)
{
    (void)err_set(err, ERR_PROTOCOL, 0, "the list of packages, line %zu: %s", reading->line, what);
    return err_suggest(err, OF_WHOM);
}

/* --- bytes ------------------------------------------------------------------------------------ */

static bool next_line(struct reading *reading, struct span *ret_line)
{
    if (reading->at == reading->end)
        return false;
    const char *end = memchr(reading->at, '\n', (size_t)(reading->end - reading->at));
    *ret_line = (struct span){reading->at, (size_t)((end ? end : reading->end) - reading->at)};
    reading->at = end ? end + 1 : reading->end;
    reading->line++;
    return true;
}

/* Up to the next blank, which goes too. Empty at the end of the line. */
static struct span next_word(struct span *line)
{
    const char *blank = memchr(line->at, ' ', line->len);
    struct span word = {line->at, blank ? (size_t)(blank - line->at) : line->len};
    size_t gone = word.len + (blank != NULL);

    *line = (struct span){line->at + gone, line->len - gone};
    return word;
}

static bool is(struct span span, const char *text)
{
    return span.len == strlen(text) && memcmp(span.at, text, span.len) == 0;
}

/* C1 controls, and what reorders or hides text on a terminal. */
static bool is_hidden(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) ||
           (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2060 && point <= 0x206f) || point == 0xfeff;
}

/* A copy that can be shown; NULL: no memory. */
static char *printable(struct span span)
{
    char *text = malloc(span.len + 1), *put = text;

    for (size_t i = 0; text != NULL && i < span.len;) {
        uint32_t point = 0;
        size_t len = utf8_next(span.at + i, span.len - i, &point);
        if (len == 0 || is_hidden(point)) {
            *put++ = '?';
        } else {
            memcpy(put, span.at + i, len);
            put += len;
        }
        i += len == 0 ? 1 : len;
    }
    if (text != NULL)
        *put = '\0';
    return text;
}

/* --- apt's configuration ---------------------------------------------------------------------- */

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;

    return at != NULL ? (int)((at - digits) % 16) : -1;
}

/* Values come with %HH for what would be in the way. In place. */
static void decode(char *text)
{
    char *put = text;

    for (const char *at = text; *at != '\0'; at++) {
        int high = at[0] == '%' ? hex_digit(at[1]) : -1;
        int low = high >= 0 ? hex_digit(at[2]) : -1;
        if (low >= 0 && high * 16 + low >= ' ') {
            *put++ = (char)(high * 16 + low);
            at += 2;
        } else {
            *put++ = *at;
        }
    }
    *put = '\0';
}

/* The folder that a line of the configuration puts packages into; NULL: it says nothing of it. */
static const char *root_of(char *line)
{
    static const char *const keys[] = {"Dir", "RootDir", "DPkg::Chroot-Directory"};
    static const char *const options[] = {"--root=", "--instdir="};
    char *value = strchr(line, '=');

    if (value == NULL)
        return NULL;
    *value++ = '\0';
    decode(value);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcasecmp(line, keys[i]) == 0)
            return value;
    }
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (strncasecmp(line, "DPkg::Options", strlen("DPkg::Options")) == 0 &&
            strncmp(value, options[i], strlen(options[i])) == 0)
            return value + strlen(options[i]);
    }
    return NULL;
}

static bool take_setting(struct reading *reading, struct span line, struct err *err)
{
    AUTO_FREE char *text = printable(line);

    if (text == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    const char *root = root_of(text);
    if (root == NULL || strspn(root, "/") == strlen(root))
        return true;
    return strs_set(&reading->list->root, root, err);
}

/* --- packages --------------------------------------------------------------------------------- */

static bool is_ours(const char *name)
{
    return strcmp(name, "stillpoint") == 0 || strncmp(name, "stillpoint-", 11) == 0;
}

/* The first pattern that matches; their number where none does. */
static size_t rank_of(const struct strs *patterns, const char *name)
{
    size_t i = 0;

    while (i < patterns->count && fnmatch(patterns->items[i], name, FNM_CASEFOLD) != 0)
        i++;
    return i;
}

static bool grow(struct reading *reading)
{
    struct upgrade_list *list = reading->list;

    if (list->count < reading->room)
        return true;
    size_t room = reading->room > 0 ? reading->room * 2 : 16;
    struct upgrade_item *grown = realloc(list->items, room * sizeof(*grown));
    if (grown == NULL)
        return false;
    list->items = grown;
    reading->room = room;
    return true;
}

static bool keep(struct reading *reading, struct span name, struct span old, struct span new,
                 enum upgrade_kind kind, struct err *err)
{
    struct upgrade_list *list = reading->list;
    struct upgrade_item item = {.name = printable(name), .kind = kind};
    size_t rank = item.name != NULL ? rank_of(reading->patterns, item.name) : 0;

    if (item.name != NULL && (rank == reading->patterns->count || is_ours(item.name))) {
        free(item.name);
        return true;
    }
    if (item.name != NULL && list->count == UPGRADE_ITEMS_MAX) {
        free(item.name);
        list->more++;
        return true;
    }
    item.rank = rank;
    item.old_version = printable(old);
    item.new_version = kind == UPGRADE_REMOVAL ? NULL : printable(new);
    if (item.name != NULL && item.old_version != NULL &&
        (item.new_version != NULL || kind == UPGRADE_REMOVAL) && grow(reading)) {
        list->items[list->count++] = item;
        return true;
    }
    free(item.name);
    free(item.old_version);
    free(item.new_version);
    return err_set(err, ERR_INTERNAL, 0, "out of memory");
}

/* "NAME OLD [ARCHITECTURE MULTI] DIRECTION NEW [ARCHITECTURE MULTI] FILE"; the file's name may have
 * blanks. */
static bool take_package(struct reading *reading, struct span line, struct err *err)
{
    struct span name = next_word(&line), old = next_word(&line);

    if (reading->architectures) {
        (void)next_word(&line);
        (void)next_word(&line);
    }
    struct span direction = next_word(&line), new = next_word(&line);
    if (reading->architectures) {
        (void)next_word(&line);
        (void)next_word(&line);
    }
    if (name.len > NAME_BYTES_MAX)
        return malformed(reading, "no package has so long a name", err);
    if (name.len == 0 || old.len == 0 || new.len == 0 || line.len == 0)
        return malformed(reading, "it has too few words", err);
    if (!is(direction, "<") && !is(direction, ">") && !is(direction, "="))
        return malformed(reading, "there is no <, = or > between the versions", err);
    /* Of what is put in there is a line beside that of its configuring. */
    if (is(line, "**CONFIGURE**") || is(old, "-"))
        return true;
    if (is(line, "**REMOVE**") || is(new, "-"))
        return keep(reading, name, old, new, UPGRADE_REMOVAL, err);
    if (is(direction, "="))
        return true;
    return keep(reading, name, old, new, is(direction, "<") ? UPGRADE_UP : UPGRADE_DOWN, err);
}

static int compare(const void *one, const void *other)
{
    const struct upgrade_item *a = one, *b = other;

    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return strcmp(a->name, b->name);
}

static void free_item(struct upgrade_item *item)
{
    free(item->name);
    free(item->old_version);
    free(item->new_version);
}

/* A package of two architectures has two lines. */
static void drop_twins(struct upgrade_list *list)
{
    size_t kept = 0;

    if (list->count > 1)
        qsort(list->items, list->count, sizeof(*list->items), compare);
    for (size_t i = 0; i < list->count; i++) {
        const struct upgrade_item *last = kept > 0 ? &list->items[kept - 1] : NULL;
        struct upgrade_item item = list->items[i];
        if (last != NULL && strcmp(last->name, item.name) == 0 && last->kind == item.kind &&
            strcmp(last->old_version, item.old_version) == 0)
            free_item(&item);
        else
            list->items[kept++] = item;
    }
    list->count = kept;
}

bool upgrade_list_parse(const char *text, size_t len, const struct strs *patterns,
                        struct upgrade_list *ret_list, struct err *err)
{
    struct reading reading = {
        .at = text, .end = text + len, .patterns = patterns, .list = ret_list};
    struct span line = {NULL, 0};
    bool has_line;

    if (len == 0) {
        (void)err_set(err, ERR_PROTOCOL, 0, "the list of packages is empty");
        return err_suggest(err, OF_WHOM);
    }
    if (!next_line(&reading, &line) || (!is(line, "VERSION 2") && !is(line, "VERSION 3")))
        return malformed(&reading, "it does not begin with VERSION 2 or VERSION 3", err);
    reading.architectures = is(line, "VERSION 3");
    while ((has_line = next_line(&reading, &line)) && line.len > 0) {
        if (!take_setting(&reading, line, err))
            return false;
    }
    if (!has_line)
        return malformed(&reading, "it ends before the empty line", err);
    while (next_line(&reading, &line)) {
        if (!take_package(&reading, line, err))
            return false;
    }
    if (len > 0 && text[len - 1] != '\n')
        return malformed(&reading, "it ends in the middle", err);
    drop_twins(ret_list);
    return true;
}

bool upgrade_list_read(int fd, int64_t deadline_ms, struct buf *ret_text, struct err *err)
{
    char chunk[64 * 1024];
    int left_ms;

    for (;;) {
        struct pollfd polled = {.fd = fd, .events = POLLIN};
        if (!deadline_left_ms(deadline_ms, &left_ms, err))
            return err_wrap(err, "the list of packages did not end");
        int ready = poll(&polled, 1, left_ms);
        ssize_t got = ready > 0 ? read(fd, chunk, sizeof(chunk)) : -1;
        if (got == 0)
            return true;
        if (got > 0 && !buf_add(ret_text, chunk, (size_t)got, err))
            return err_wrap(err, "the list of packages");
        if ((ready < 0 || (ready > 0 && got < 0)) && errno != EINTR && errno != EAGAIN)
            return err_set(err, ERR_SYS, errno, "the list of packages can't be read");
    }
}

void upgrade_list_free(struct upgrade_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free_item(&list->items[i]);
    free(list->items);
    free(list->root);
    *list = (struct upgrade_list){.items = NULL};
}

/* --- the reason ------------------------------------------------------------------------------- */

/* Cuts a copy of TEXT that is longer than CHARS; returns PLACE. */
static const char *cut_short(const char *text, size_t chars, char *place, size_t size)
{
    size_t at = 0;
    uint32_t point;

    while (text[at] != '\0' && chars > 0 && at + 8 < size) {
        at += utf8_next(text + at, strlen(text + at), &point); /* printable(): never 0 */
        chars--;
    }
    (void)snprintf(place, size, "%.*s%s", (int)at, text, text[at] != '\0' ? "..." : "");
    return place;
}

static void describe(const struct upgrade_item *item, char *text, size_t size)
{
    enum { NAME_CHARS = 60, VERSION_CHARS = 40 };
    char name[NAME_CHARS * 4 + 16], old[VERSION_CHARS * 4 + 16], new[VERSION_CHARS * 4 + 16] = "";

    (void)cut_short(item->name, NAME_CHARS, name, sizeof(name));
    (void)cut_short(item->old_version, VERSION_CHARS, old, sizeof(old));
    if (item->new_version != NULL)
        (void)cut_short(item->new_version, VERSION_CHARS, new, sizeof(new));
    (void)snprintf(text, size, "%s %s%s%s", name, old,
                   item->kind == UPGRADE_REMOVAL ? " removed"
                   : item->kind == UPGRADE_DOWN  ? " back to "
                                                 : " to ",
                   new);
}

char *upgrade_list_reason(const struct upgrade_list *list, char *text)
{
    static const char begin[] = "before upgrade: ";
    char one[UPGRADE_REASON_BYTES], rest[32] = "";
    size_t chars = sizeof(begin) - 1, shown = 0, all = list->count + list->more;

    (void)snprintf(text, UPGRADE_REASON_BYTES, "%s", begin);
    for (; shown < list->count; shown++) {
        describe(&list->items[shown], one, sizeof(one));
        size_t more = utf8_count(one) + (shown > 0 ? 2 : 0);
        (void)snprintf(rest, sizeof(rest), " and %zu more", all - shown - 1);
        size_t room = TAG_VALUE_CHARS_MAX - (shown + 1 < all ? strlen(rest) : 0);
        if (chars + more > room)
            break;
        size_t len = strlen(text);
        (void)snprintf(text + len, UPGRADE_REASON_BYTES - len, "%s%s", shown > 0 ? ", " : "", one);
        chars += more;
    }
    size_t len = strlen(text);
    if (shown < all)
        (void)snprintf(text + len, UPGRADE_REASON_BYTES - len, " and %zu more", all - shown);
    return text;
}
