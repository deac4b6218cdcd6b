/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/daemon/inventory_json.h"
#include "agent/daemon/prune.h"

static json_t *moment(int64_t utc_us, int64_t unknown)
{
    char text[CLOCK_TEXT_BYTES];

    return utc_us == unknown ? json_null() : json_string(clock_utc_text(utc_us, text));
}

static json_t *set_json(const struct prune_look *look, const struct inventory_set *set)
{
    return json_pack("{s:s,s:o,s:o,s:o,s:s,s:s,s:o,s:o,s:b,s:I,s:I,s:I,s:o}", "kind", "set", "id",
                     control_text(set->id), "instance", control_text(set->instance), "node",
                     control_text(set->node), "state", backup_state_name(set->state), "tagged",
                     backup_state_name(set->tagged), "started", moment(set->start_utc_us, 0),
                     "expires", moment(set->expires_utc_us, BACKUP_UNKNOWN), "pinned",
                     (int)set->pinned, "snapshots", (json_int_t)set->members + set->image_members,
                     "images", (json_int_t)set->images, "size_gib", (json_int_t)set->size_gib,
                     "broken", inventory_why_json(&look->inventory, set));
}

static json_t *orphan_json(const struct inventory_orphan *orphan)
{
    return json_pack("{s:s,s:o,s:o,s:o,s:s,s:o,s:n,s:b,s:i,s:i,s:n,s:[]}", "kind",
                     orphan->is_image ? "image" : "snapshot", "id", control_text(orphan->id),
                     "instance", control_text(orphan->instance), "node", control_text(orphan->node),
                     "state", "orphan", "started", moment(orphan->start_utc_us, 0), "expires",
                     "pinned", (int)orphan->pinned, "snapshots", orphan->is_image ? 0 : 1, "images",
                     orphan->is_image ? 1 : 0, "size_gib", "broken");
}

/* What was to go, as it went. NULL: no memory. */
static json_t *text_json(const struct retention_verdict *verdict, const char *action)
{
    static const char goes[] = "goes: ";
    char text[RETENTION_TEXT_BYTES];

    (void)retention_text(verdict, text);
    if (action == NULL || strncmp(text, goes, sizeof(goes) - 1) != 0)
        return control_text(text);
    return json_sprintf("%s: %s", strcmp(action, "failed") == 0 ? "not gone" : "gone",
                        text + sizeof(goes) - 1);
}

json_t *prune_row_json(const struct prune_look *look, size_t index, const char *action)
{
    const struct retention_verdict *verdict = &look->verdicts[index];
    const struct inventory_set *set = prune_set(look, index);
    json_t *row = set ? set_json(look, set) : orphan_json(prune_orphan(look, index));
    bool rule = verdict->why == RETENTION_KEPT_RULE;

    json_t *why =
        json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:b}", "action",
                  action ? action : (verdict->goes ? "go" : "keep"), "why",
                  retention_why_name(verdict->why), "text", text_json(verdict, action), "rule",
                  rule ? json_string(retention_rule_name(verdict->rule)) : json_null(), "nth",
                  rule ? json_integer(verdict->nth) : json_null(), "of",
                  rule ? json_integer(verdict->of) : json_null(), "user",
                  control_text(look->users[index]), "expires_far", (int)verdict->far);
    if (row == NULL || why == NULL || json_object_update(row, why) != 0) {
        json_decref(row);
        row = NULL;
    }
    json_decref(why);
    return row;
}
