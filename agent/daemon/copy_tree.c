/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/copy_tree.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"

enum {
    SESSION_MS = 30000,
    DEVICE_MS = 60000,
    GROUPS_MS = 120000,
    LOOK_MS = 10 * 60 * 1000, /* the first reads of a lazily loaded volume, and a log's replay */
    CLOSE_MS = 60000,
};

bool copy_tree_refused(const struct err *why)
{
    return why->kind == ERR_PRECONDITION || why->kind == ERR_NOT_FOUND;
}

bool copy_tree_claims_frozen(const struct copy_tree *tree, const struct backup_mount *mount)
{
    const struct backup_mount *tagged = backup_mount_at(tree->set, mount->path);

    /* NULL: the tags had no room for it. */
    return tagged != NULL ? tagged->frozen : tree->set->consistency >= LABEL_FILESYSTEM;
}

bool copy_tree_open(struct copy_tree *tree, enum copy_purpose purpose, const char *destination,
                    int64_t end_ms, struct err *err)
{
    const struct cancel *cancel = &tree->job->cancel;
    const struct copy_config config = {.socket = tree->socket,
                                       .backup = tree->set->id,
                                       .purpose = purpose,
                                       .destination = destination,
                                       .end_ms = end_ms};

    if (!copy_open(&config, clock_boot_ms() + SESSION_MS, cancel, &tree->copy, err))
        return false;
    for (size_t i = 0; i < tree->loan->count; i++) {
        const struct loan_volume *volume = &tree->loan->volumes[i];
        const struct copy_device device = {.name = volume->kernel_device + strlen("/dev/"),
                                           .dev_major = volume->dev_major,
                                           .dev_minor = volume->dev_minor,
                                           .volume = volume->volume_id};
        if (!copy_add_device(tree->copy, &device, clock_boot_ms() + DEVICE_MS, cancel, err))
            return err_wrap(err, "%s", volume->kernel_device);
    }
    return copy_find_groups(tree->copy, clock_boot_ms() + GROUPS_MS, cancel, err);
}

bool copy_tree_look(struct copy_tree *tree, uint32_t item, struct manifest *ret_manifest,
                    bool *ret_found, char *why_not, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(COPY_DATA_BYTES);
    struct err why = ERR_INIT;
    bool held = tree->set->consistency >= LABEL_FILESYSTEM;

    *ret_found = false;
    if (copy_look(tree->copy, item, held ? 0 : COPY_REPLAY, clock_boot_ms() + LOOK_MS,
                  &tree->job->cancel, &text, &why)) {
        *ret_found = manifest_read(buf_text(&text), text.len, ret_manifest, &why);
        if (!*ret_found && why.kind != ERR_PROTOCOL && why.kind != ERR_LIMIT) {
            *err = why;
            return false;
        }
    } else if (!copy_tree_refused(&why)) {
        *err = why;
        return false;
    }
    (void)snprintf(why_not, ERR_TEXT_BYTES, "%s", why.text);
    return true;
}

/* The first that is the set's own says where its mounts are. */
static bool find_manifest(struct copy_tree *tree, struct err *err)
{
    char why_not[ERR_TEXT_BYTES];
    size_t count = 0;

    for (uint32_t i = 0; tree->manifest.backup == NULL; i++) {
        const struct copy_item *items = copy_items(tree->copy, &count);
        struct manifest manifest = {.backup = NULL};
        bool found = false;
        if (i >= count)
            break;
        if (items[i].kind != COPY_ITEM_FILESYSTEM)
            continue;
        if (!copy_tree_look(tree, i, &manifest, &found, why_not, err))
            return false;
        if (found && strcmp(manifest.backup->id, tree->set->id) == 0)
            tree->manifest = manifest;
        else
            manifest_free(&manifest);
    }
    return true;
}

bool copy_tree_find(struct copy_tree *tree, struct err *err)
{
    size_t count = 0;

    if (!find_manifest(tree, err))
        return false;
    const struct backup *written = tree->manifest.backup;
    const struct backup *from = written != NULL && written->mount_count > 0 ? written : tree->set;
    const struct copy_item *items = copy_items(tree->copy, &count);
    return places_find(from->mounts, from->mount_count, tree->loan, items, count, &tree->places,
                       err);
}

void copy_tree_close(struct copy_tree *tree)
{
    struct err why = ERR_INIT;

    if (tree->copy != NULL && !copy_close(tree->copy, clock_boot_ms() + CLOSE_MS, &why))
        log_err(LOG_LEVEL_WARNING, "copy_not_closed", &why); /* detaching tells whether it is */
    copy_free(tree->copy);
    tree->copy = NULL;
}

void copy_tree_free(struct copy_tree *tree)
{
    copy_free(tree->copy);
    tree->copy = NULL;
    places_free(&tree->places);
    manifest_free(&tree->manifest);
}
