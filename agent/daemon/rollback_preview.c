/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/rollback_preview.h"

#include <stdarg.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/buf.h"
#include "agent/base/control_wire.h"
#include "agent/daemon/rollback_resume.h"

enum { STEP_BYTES = 16 * 1024 };

static void add_step(json_t *steps, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add_step(json_t *steps, const char *fmt, ...)
{
    AUTO_FREE char *text = NULL;
    va_list args;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        text = NULL;
    va_end(args);
    if (text != NULL)
        (void)json_array_append_new(steps, control_text(text));
}

static json_t *strs_json(const struct strs *strs)
{
    json_t *list = json_array();

    for (size_t i = 0; i < strs->count; i++)
        (void)json_array_append_new(list, control_text(strs->items[i]));
    return list;
}

static json_t *volumes_json(const struct rollback_plan *plan)
{
    json_t *list = json_array();

    for (size_t i = 0; i < plan->count; i++) {
        const struct rollback_plan_volume *volume = &plan->volumes[i];
        json_t *mounts = json_array();
        for (size_t k = 0; k < volume->mount_count; k++)
            (void)json_array_append_new(mounts, control_text(volume->mounts[k].mount.path));
        (void)json_array_append_new(
            list, json_pack("{s:o,s:o,s:o,s:I,s:b,s:o}", "device", control_text(volume->device),
                            "volume", control_text(volume->old->id), "snapshot",
                            control_text(volume->snapshot->id), "size_gib",
                            (json_int_t)volume->size_gib, "root", volume->root, "mounts", mounts));
    }
    return list;
}

/* --- the steps ------------------------------------------------------------------------------ */

/* "A, B and C" of what ADD writes for each volume. */
static void list_volumes(const struct rollback_plan *plan, bool root, bool mounts, struct buf *text)
{
    struct err ignored = ERR_INIT; /* what has no room is left out */
    const char *comma = "";

    for (size_t i = 0; i < plan->count; i++) {
        const struct rollback_plan_volume *volume = &plan->volumes[i];
        if (volume->root != root)
            continue;
        for (size_t k = 0; mounts && k < volume->mount_count; k++, comma = ", ")
            (void)buf_printf(text, &ignored, "%s%s", comma, volume->mounts[k].mount.path);
        if (mounts)
            continue;
        (void)buf_printf(text, &ignored, "%s%s (%s, now %s)", comma, volume->device,
                         volume->snapshot->id, volume->old->id);
        comma = ", ";
    }
}

static void add_services(const struct config *config, const char *verb, json_t *steps)
{
    AUTO_BUF struct buf names = BUF_INIT(STEP_BYTES);
    struct err ignored = ERR_INIT;

    for (size_t i = 0; i < config->hook_count; i++) {
        if ((config->hooks[i].phases & CONFIG_PHASE_STOP) != 0)
            (void)buf_printf(&names, &ignored, "%s%s", names.len ? ", " : "",
                             config->hooks[i].name);
    }
    if (names.len > 0)
        add_step(steps, "%s services by their hooks: %s", verb, buf_text(&names));
    else
        add_step(steps, "%s no services: no [hook NAME] has phases = stop, start", verb);
}

static json_t *steps_json(const struct rollback_preview *preview)
{
    AUTO_BUF struct buf volumes = BUF_INIT(STEP_BYTES), mounts = BUF_INIT(STEP_BYTES),
                        root = BUF_INIT(STEP_BYTES);
    json_t *steps = json_array();

    list_volumes(preview->plan, false, false, &volumes);
    list_volumes(preview->plan, false, true, &mounts);
    list_volumes(preview->plan, true, false, &root);
    if (preview->backup)
        add_step(steps, "take a backup of this node as it is now");
    else
        add_step(steps, "take no backup before it, as asked for: what is newer is on the volumes "
                        "that are kept, and nowhere else");
    if (volumes.len > 0)
        add_step(steps, "make new volumes in %s for %s", preview->instance->availability_zone,
                 buf_text(&volumes));
    add_services(preview->config, "stop", steps);
    if (mounts.len > 0)
        add_step(steps, "unmount %s", buf_text(&mounts));
    if (volumes.len > 0)
        add_step(steps, "detach the volumes of now and attach the new ones under the same names");
    if (preview->mode == ROLLBACK_FULL) {
        add_step(steps, "replace the root volume, %s: EC2 reboots this node", buf_text(&root));
    } else {
        if (mounts.len > 0)
            add_step(steps, "mount them again");
        add_services(preview->config, "start", steps);
    }
    add_step(steps,
             "keep the volumes of now, detached, until `stillpoint rollback --commit' deletes "
             "them or --undo brings them back");
    return steps;
}

/* --- the documents -------------------------------------------------------------------------- */

json_t *rollback_preview_json(struct rollback_preview *preview)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:b,s:o,s:o,s:o,s:o,s:o,s:o}", "id", preview->set->id,
                     "instance", preview->instance->id, "mode", rollback_mode_name(preview->mode),
                     "consistency", label_name(preview->set->consistency), "backup",
                     preview->backup, "lost", preview->take_lost, "volumes",
                     volumes_json(preview->plan), "stays", strs_json(&preview->plan->stays),
                     "missing", strs_json(&preview->plan->missing), "warnings",
                     strs_json(&preview->plan->warnings), "steps", steps_json(preview));
}

static void list_role(const struct rollback *rollback, enum rollback_role role, struct buf *text)
{
    struct err ignored = ERR_INIT;

    for (size_t i = 0; i < rollback->count; i++) {
        const struct rollback_volume *volume = &rollback->volumes[i];
        if (volume->part.role == role)
            (void)buf_printf(text, &ignored, "%s%s (%s)", text->len ? ", " : "", volume->id,
                             volume->part.device);
    }
}

static json_t *with_steps(const struct rollback *rollback, json_t *take_steps)
{
    json_t *object = rollback_json(rollback);

    if (object == NULL || json_object_set_new(object, "steps", take_steps) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *rollback_preview_commit(const struct rollback *rollback)
{
    AUTO_BUF struct buf kept = BUF_INIT(STEP_BYTES);
    json_t *steps = json_array();

    list_role(rollback, ROLLBACK_KEPT, &kept);
    add_step(steps, "delete the volumes of before the rollback: %s",
             kept.len ? buf_text(&kept) : "none is left");
    add_step(steps, "take the rollback's tags off: from then on there is no --undo");
    return with_steps(rollback, steps);
}

json_t *rollback_preview_undo(const struct rollback *rollback)
{
    AUTO_BUF struct buf kept = BUF_INIT(STEP_BYTES), made = BUF_INIT(STEP_BYTES);
    json_t *steps = json_array();

    list_role(rollback, ROLLBACK_KEPT, &kept);
    list_role(rollback, ROLLBACK_MADE, &made);
    add_services(rollback->work->config, "stop", steps);
    add_step(steps, "unmount what is mounted of %s", buf_text(&made));
    add_step(steps, "detach them and attach the volumes of before: %s", buf_text(&kept));
    if (rollback->state.mode == ROLLBACK_FULL)
        add_step(steps, "put the root volume of before back: EC2 reboots this node");
    else
        add_services(rollback->work->config, "start", steps);
    add_step(steps,
             "delete the volumes that the rollback made, with all that was written since it");
    return with_steps(rollback, steps);
}
