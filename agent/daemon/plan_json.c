/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/plan_json.h"

#include "agent/base/control_wire.h"
#include "hooks/hook_mysql.h"

static json_t *texts(const struct strs *strs)
{
    json_t *list = json_array();

    for (size_t i = 0; i < strs->count; i++)
        (void)json_array_append_new(list, control_text(strs->items[i]));
    return list;
}

static json_t *volumes_json(const struct plan *plan)
{
    json_t *list = json_array();

    for (size_t i = 0; i < plan->volume_count; i++) {
        const struct plan_volume *volume = &plan->volumes[i];
        (void)json_array_append_new(list,
                                    json_pack("{s:s,s:o,s:I,s:b}", "id", volume->id, "device",
                                              control_text(volume->device_name), "size_gib",
                                              (json_int_t)volume->size_gib, "root", volume->root));
    }
    return list;
}

static json_t *mounts_json(const struct plan *plan)
{
    static const char *const uses[] = {
        [PLAN_FREEZE] = "freeze", [PLAN_SYNC_ONLY] = "sync", [PLAN_STILL] = "still"};
    json_t *list = json_array();

    for (size_t i = 0; i < plan->mount_count; i++) {
        const struct plan_mount *mount = &plan->mounts[i];
        (void)json_array_append_new(
            list, json_pack("{s:o,s:s,s:o,s:s}", "path", control_text(mount->path), "fs", mount->fs,
                            "volumes", texts(&mount->volumes), "use", uses[mount->use]));
    }
    return list;
}

static json_t *hooks_json(const struct work *work)
{
    const struct hook_chain *hooks = &work->hooks;
    json_t *list = json_array();

    /* They come first in a hold; a dry run does not call them. */
    for (size_t i = 0; work->options.asked == LABEL_APPLICATION && i < work->config->hook_count;
         i++)
        (void)json_array_append_new(
            list, json_pack("{s:o,s:n,s:n,s:n,s:o}", "name",
                            control_text(work->config->hooks[i].name), "ready", "server", "method",
                            "why", control_text("a program of yours: not called in a dry run")));
    for (size_t i = 0; i < hooks->count; i++) {
        const struct hook_link *link = &hooks->links[i];
        const struct db_server *server =
            hook_is_mysql(&link->hook) ? hook_mysql_server(&link->hook) : NULL;
        (void)json_array_append_new(
            list,
            json_pack("{s:o,s:b,s:o,s:o,s:o}", "name", control_text(link->hook.name), "ready",
                      link->prepared, "server", control_text(server ? server->version_text : NULL),
                      "method", control_text(server ? db_method_name(server->choice.method) : NULL),
                      "why",
                      control_text(link->prepared ? (server ? server->choice.why : NULL)
                                                  : link->runs[HOOK_STEP_PREPARE].err.text)));
    }
    return list;
}

json_t *plan_json(const struct work *work)
{
    json_t *left_out = json_array(), *shortfalls = json_array();

    for (size_t i = 0; i < work->plan->left_out_count; i++)
        (void)json_array_append_new(
            left_out, json_pack("{s:o,s:o}", "path", control_text(work->plan->left_out[i].path),
                                "why", control_text(work->plan->left_out[i].why)));
    for (size_t i = 0; i < work->plan->shortfall_count; i++)
        (void)json_array_append_new(shortfalls, control_text(work->plan->shortfalls[i].why));
    return json_pack("{s:{s:o,s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:b}}", "plan", "instance",
                     control_text(work->identity.document.instance_id), "asked",
                     label_name(work->options.asked), "at_most", label_name(work->plan->at_most),
                     "volumes", volumes_json(work->plan), "mounts", mounts_json(work->plan),
                     "left_out", left_out, "shortfalls", shortfalls, "hooks", hooks_json(work),
                     "image", work->options.image);
}
