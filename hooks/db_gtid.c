/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_gtid.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/grow.h"
#include "agent/base/parse.h"

enum { SOURCE_BYTES = 80, INTERVALS_MAX = 100000 };

/* Transactions FROM to TO of one source. Of a MariaDB domain those from 1 on. */
struct interval {
    char source[SOURCE_BYTES]; /* "UUID", "UUID:TAG", "domain 0" */
    int64_t server;            /* MariaDB: of the last one; 0 */
    int64_t from, to;
};

struct set {
    struct interval *list;
    size_t count;
};

static bool no_gtid(const char *text, struct err *err)
{
    return err_set(err, ERR_PROTOCOL, 0, "no GTIDs: %.80s", text);
}

static bool read_number(const char *text, size_t len, int64_t *ret_number)
{
    struct err ignored = ERR_INIT; /* the caller says what it is no part of */
    char number[24];

    if (len == 0 || len >= sizeof(number))
        return false;
    memcpy(number, text, len);
    number[len] = '\0';
    return parse_int64(number, 0, INT64_MAX, ret_number, &ignored);
}

static struct interval *add(struct set *set, const char *source, size_t len, struct err *err)
{
    struct interval *interval = NULL;

    if (len < SOURCE_BYTES && set->count < INTERVALS_MAX)
        interval = grow_by_one(&set->list, &set->count, sizeof(*interval));
    if (interval != NULL)
        memcpy(interval->source, source, len);
    else
        (void)err_set(err, ERR_INTERNAL, 0, "out of memory");
    return interval;
}

/* "0-1-991" */
static bool add_domain(struct set *set, const char *word, struct err *err)
{
    size_t first = strcspn(word, "-");
    const char *server = word + first + (word[first] != '\0');
    size_t second = strcspn(server, "-");
    const char *sequence = server + second + (server[second] != '\0');
    int64_t domain, server_id, number;

    if (!read_number(word, first, &domain) || !read_number(server, second, &server_id) ||
        !read_number(sequence, strlen(sequence), &number))
        return no_gtid(word, err);
    struct interval *interval = add(set, word, first, err);
    if (interval == NULL)
        return false;
    interval->server = server_id;
    interval->from = 1;
    interval->to = number;
    return true;
}

/* "1-991" or "995", LEN of it. */
static bool add_interval(struct set *set, const char *source, size_t source_len, const char *text,
                         size_t len, struct err *err)
{
    size_t dash = strcspn(text, "-:");
    int64_t from, to;

    dash = dash < len ? dash : len;
    if (!read_number(text, dash, &from))
        return no_gtid(text, err);
    to = from;
    if (dash < len && !read_number(text + dash + 1, len - dash - 1, &to))
        return no_gtid(text, err);
    struct interval *interval = add(set, source, source_len, err);
    if (interval == NULL)
        return false;
    interval->from = from;
    interval->to = to;
    return true;
}

/* "UUID:1-991:995:TAG:3" */
static bool add_source(struct set *set, char *word, struct err *err)
{
    size_t uuid_len = strcspn(word, ":"), len = uuid_len;
    char source[SOURCE_BYTES];

    if (uuid_len != 36)
        return no_gtid(word, err);
    memcpy(source, word, uuid_len);
    for (const char *part = word + uuid_len; *part == ':';) {
        size_t part_len = strcspn(++part, ":");
        if (part_len > 0 && part[0] >= '0' && part[0] <= '9') {
            if (!add_interval(set, source, len, part, part_len, err))
                return false;
        } else { /* a tag: what follows is its */
            if (part_len == 0 || uuid_len + 1 + part_len >= sizeof(source))
                return no_gtid(word, err);
            source[uuid_len] = ':';
            memcpy(source + uuid_len + 1, part, part_len);
            len = uuid_len + 1 + part_len;
        }
        part += part_len;
    }
    return true;
}

static bool read_set(const char *text, struct set *set, struct err *err)
{
    AUTO_FREE char *copy = strdup(text);
    char *rest = copy;

    if (copy == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    for (char *word = strsep(&rest, ", \n"); word != NULL; word = strsep(&rest, ", \n")) {
        if (*word == '\0')
            continue;
        bool ok =
            strchr(word, ':') != NULL ? add_source(set, word, err) : add_domain(set, word, err);
        if (!ok)
            return false;
    }
    return true;
}

/* Intervals of one set do not overlap: one that is covered is covered by one of the other's, once
 * neighbours are joined. */
static int by_source(const void *a, const void *b)
{
    const struct interval *x = a, *y = b;
    int order = strcmp(x->source, y->source);

    return order != 0 ? order : x->from < y->from ? -1 : x->from > y->from;
}

static void join(struct set *set)
{
    size_t kept = 0;

    if (set->count < 2)
        return;
    qsort(set->list, set->count, sizeof(*set->list), by_source);
    for (size_t i = 1; i < set->count; i++) {
        struct interval *last = &set->list[kept], *next = &set->list[i];
        if (strcmp(last->source, next->source) == 0 && next->from <= last->to + 1)
            last->to = next->to > last->to ? next->to : last->to;
        else
            set->list[++kept] = *next;
    }
    set->count = kept + 1;
}

static bool covers(const struct set *set, const struct interval *wanted)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct interval *have = &set->list[i];
        if (strcmp(have->source, wanted->source) == 0 && have->from <= wanted->from &&
            have->to >= wanted->to)
            return have->to != wanted->to || have->server == wanted->server;
    }
    return false;
}

static bool covers_all(const struct set *set, const struct set *wanted)
{
    for (size_t i = 0; i < wanted->count; i++) {
        if (!covers(set, &wanted->list[i]))
            return false;
    }
    return true;
}

bool db_gtid_compare(const char *a, const char *b, enum db_gtid_order *ret_order, struct err *err)
{
    struct set of_a = {NULL, 0}, of_b = {NULL, 0};

    bool ok = read_set(a, &of_a, err) && read_set(b, &of_b, err);
    if (ok) {
        join(&of_a);
        join(&of_b);
        *ret_order = !covers_all(&of_b, &of_a)  ? DB_GTID_BEYOND
                     : covers_all(&of_a, &of_b) ? DB_GTID_EQUAL
                                                : DB_GTID_BEHIND;
    }
    free(of_a.list);
    free(of_b.list);
    return ok;
}
