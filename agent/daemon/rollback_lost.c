/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/rollback_lost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/base/parse.h"
#include "agent/daemon/inventory_gather.h"
#include "hooks/db.h"
#include "hooks/db_position.h"

enum { NUMBER_BYTES = 24, ASK_MS = 5000 };

static const int64_t NUMBER_MAX = 1000000000000000; /* so that no sum of them overflows */

/* --- positions ------------------------------------------------------------------------------ */

static bool read_number(const char *text, size_t len, int64_t *ret_number)
{
    char word[NUMBER_BYTES];
    struct err ignored = ERR_INIT;

    if (len == 0 || len >= sizeof(word))
        return false;
    memcpy(word, text, len);
    word[len] = '\0';
    return parse_int64(word, 0, NUMBER_MAX, ret_number, &ignored);
}

/* "1-991" or "1000": how many that are. */
static bool read_interval(const char *text, size_t len, int64_t *ret_count)
{
    const char *dash = memchr(text, '-', len);
    int64_t first = 0, last = 0;

    if (dash == NULL) {
        *ret_count = 1;
        return read_number(text, len, &first);
    }
    if (!read_number(text, (size_t)(dash - text), &first) ||
        !read_number(dash + 1, len - (size_t)(dash - text) - 1, &last) || last < first)
        return false;
    *ret_count = last - first + 1;
    return true;
}

/* One part between commas. */
static bool count_part(const char *text, size_t len, int64_t *ret_count)
{
    const char *colon = memchr(text, ':', len), *end = text + len;
    int64_t count = 0;

    *ret_count = 0;
    if (colon == NULL) { /* MariaDB: domain, server, sequence number */
        const char *dash = memrchr(text, '-', len);
        return dash != NULL && memchr(text, '-', (size_t)(dash - text)) != NULL &&
               read_number(dash + 1, (size_t)(end - dash) - 1, ret_count);
    }
    while (colon < end) {
        const char *next = memchr(colon + 1, ':', (size_t)(end - colon) - 1);
        if (next == NULL)
            next = end;
        if (!read_interval(colon + 1, (size_t)(next - colon) - 1, &count))
            return false;
        *ret_count += count;
        colon = next;
    }
    return true;
}

bool rollback_lost_count(const char *text, int64_t *ret_count)
{
    int64_t count = 0, sum = 0;

    if (text[0] == '\0')
        return false;
    for (const char *at = text; *at != '\0';) {
        at += strspn(at, " \n");
        size_t len = strcspn(at, ",");
        if (!count_part(at, len, &count))
            return false;
        sum += count;
        at += len + (at[len] == ',');
    }
    *ret_count = sum;
    return true;
}

/* --- the servers ---------------------------------------------------------------------------- */

static bool read_position(struct work *work, const struct config_mysql *mysql, int64_t deadline_ms,
                          struct db_position *ret_position, struct err *err)
{
    const char *socket = mysql->socket[0] ? mysql->socket : db_find_socket();
    const struct db_target target = {
        .socket = socket,
        .user = mysql->user[0] ? mysql->user : NULL,
        .defaults_file = mysql->defaults_file[0] ? mysql->defaults_file : NULL,
    };
    struct db_server server = DB_SERVER_INIT;
    struct db *db = NULL;

    if (socket == NULL)
        return err_set(err, ERR_NOT_FOUND, 0, "no server");
    bool ok = db_open(&target, deadline_ms, &work->job->cancel, &db, err) &&
              db_server_ask(db, DB_METHOD_AUTO, false, deadline_ms, &server, err) &&
              db_position_read(db, &server, false, deadline_ms, ret_position, err);
    db_server_free(&server);
    db_close(db);
    return ok;
}

static json_t *place_json(const char *file, int64_t pos)
{
    char text[600];

    if (file == NULL || file[0] == '\0')
        return json_null();
    (void)snprintf(text, sizeof(text), "%s:%lld", file, (long long)pos);
    return control_text(text);
}

static json_t *transactions_json(const char *then, const char *now)
{
    int64_t before = 0, after = 0;

    if (then == NULL || !rollback_lost_count(then, &before) || !rollback_lost_count(now, &after) ||
        after < before)
        return json_null();
    return json_integer(after - before);
}

static json_t *database_json(struct work *work, const struct backup_database *then,
                             int64_t deadline_ms)
{
    struct db_position *now = calloc(1, sizeof(*now));
    struct err err = ERR_INIT;
    bool known = false;

    for (size_t i = 0; now != NULL && i < work->config->mysql_count; i++) {
        const struct config_mysql *mysql = &work->config->mysql[i];
        if (then->name != NULL && strcmp(mysql->name, then->name) == 0)
            known = read_position(work, mysql, deadline_sooner(deadline_ms, ASK_MS), now, &err);
    }
    json_t *object = json_pack(
        "{s:o,s:o,s:o,s:o,s:o}", "name", control_text(then->name), "then",
        place_json(then->binlog_file, then->binlog_pos), "now",
        known && now->binlog ? place_json(now->binlog_file, now->binlog_pos) : json_null(),
        "transactions", known ? transactions_json(then->gtid, now->gtid) : json_null(), "why",
        known || err.kind == ERR_NONE ? json_null() : control_text(err.text));
    free(now);
    return object;
}

/* --- all of it ------------------------------------------------------------------------------ */

/* Ids of this node's that are newer, the newest first; null where EC2 does not tell. */
static json_t *newer_json(struct work *work, const struct backup *set, int64_t deadline_ms)
{
    const struct inventory_query query = {.all_nodes = false};
    struct inventory inventory = {.count = 0};
    struct err ignored = ERR_INIT; /* null says it */
    json_t *list = NULL;

    if (inventory_gather(work, &query, deadline_ms, &inventory, &ignored))
        list = json_array();
    for (size_t i = 0; list && i < inventory.count && strcmp(inventory.sets[i].id, set->id) != 0;
         i++)
        (void)json_array_append_new(list, json_string(inventory.sets[i].id));
    inventory_free(&inventory);
    return list ? list : json_null();
}

json_t *rollback_lost_json(struct work *work, const struct backup *set, int64_t deadline_ms)
{
    json_t *databases = json_array();
    int64_t at_us = set->window_end_utc_us;
    char since[CLOCK_TEXT_BYTES];

    if (at_us == BACKUP_UNKNOWN && !catalog_id_moment(set->id, &at_us))
        at_us = BACKUP_UNKNOWN;
    for (size_t i = 0; i < set->database_count; i++)
        (void)json_array_append_new(databases,
                                    database_json(work, &set->databases[i], deadline_ms));
    bool known = at_us != BACKUP_UNKNOWN;
    return json_pack("{s:o,s:o,s:o,s:o}", "since",
                     known ? json_string(clock_utc_text(at_us, since)) : json_null(), "seconds",
                     known ? json_integer((clock_utc_us() - at_us) / 1000000) : json_null(),
                     "newer_backups", newer_json(work, set, deadline_ms), "databases", databases);
}
