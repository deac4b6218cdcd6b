/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/inventory_json.h"

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/daemon/catalog_json.h"

static json_t *moment_or_null(int64_t utc_us, int64_t unknown)
{
    char text[CLOCK_TEXT_BYTES];

    return utc_us == unknown ? json_null() : json_string(clock_utc_text(utc_us, text));
}

static json_t *window_json(const struct inventory_set *set)
{
    if (set->window_begin_utc_us == BACKUP_UNKNOWN)
        return json_null();
    return json_pack("{s:o}", "begin", moment_or_null(set->window_begin_utc_us, BACKUP_UNKNOWN));
}

static json_t *snapshots_json(const struct inventory *inventory, const struct inventory_set *set)
{
    const struct set_member *members = inventory_members(inventory, set);
    json_t *list = json_array();

    for (uint32_t i = 0; list != NULL && i < set->members; i++) {
        const struct set_member *member = &members[i];
        const char *state = ec2_snapshot_state_name((enum ec2_snapshot_state)member->state);
        json_t *row = json_pack("{s:o,s:o,s:i,s:s,s:b}", "id", control_text(member->id), "volume",
                                control_text(member->volume), "size_gib", (int)member->size_gib,
                                "state", state, "archived", (int)member->archived);
        if (json_array_append_new(list, row) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *image_json(const struct inventory *inventory, const struct inventory_set *set)
{
    const struct inventory_image *images = inventory_images(inventory, set);

    if (set->images == 0)
        return json_null();
    return json_pack("{s:o,s:s}", "id", control_text(images[0].id), "state",
                     ec2_image_state_name(images[0].state));
}

json_t *inventory_why_json(const struct inventory *inventory, const struct inventory_set *set)
{
    struct strs why = {NULL, 0};
    struct err ignored = ERR_INIT; /* no memory: NULL says so */
    json_t *list = inventory_why(inventory, set, &why, &ignored) ? json_array() : NULL;

    for (size_t i = 0; list != NULL && i < why.count; i++) {
        if (json_array_append_new(list, control_text(why.items[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    strs_free(&why);
    return list;
}

json_t *inventory_json(const struct inventory *inventory, const struct inventory_set *set)
{
    return json_pack(
        "{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:s,s:s,s:o,s:s,s:o,s:o,s:o,s:o,s:I,s:o,s:o,s:b,s:o,s:o}",
        "id", control_text(set->id), "instance", control_text(set->instance), "node",
        control_text(set->node), "region", control_text(inventory->region), "reason",
        control_text(set->reason), "policy", control_text(set->policy), "group",
        control_text(set->group), "state", backup_state_name(set->state), "tagged",
        backup_state_name(set->tagged), "asked", catalog_json_label(set->asked), "consistency",
        label_name(set->consistency), "started", moment_or_null(set->start_utc_us, 0), "window",
        window_json(set), "snapshots", snapshots_json(inventory, set), "members",
        set->member_count == BACKUP_UNKNOWN ? json_null() : json_integer(set->member_count),
        "size_gib", (json_int_t)set->size_gib, "image", image_json(inventory, set), "expires",
        catalog_json_second(set->expires_utc_us), "pinned", (int)set->pinned, "verified",
        control_text(set->verified), "broken", inventory_why_json(inventory, set));
}

json_t *inventory_moment_json(const struct inventory_set *set)
{
    if (set == NULL)
        return json_null();
    return json_pack("{s:o,s:o}", "id", control_text(set->id), "started",
                     moment_or_null(inventory_taken_us(set), 0));
}
