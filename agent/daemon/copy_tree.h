/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_COPY_TREE_H
#define STILLPOINT_COPY_TREE_H

#include "agent/daemon/copy.h"
#include "agent/daemon/job.h"
#include "agent/daemon/manifest.h"
#include "agent/daemon/copy_place.h"

/* A set's filesystems in a copy session: found on the volumes on loan, by what the set's own
 * manifest and its tags say of them. For verify and restore files. Worker thread. */

struct copy_tree {
    struct job *job;
    const char *socket; /* config->hook_socket */
    const struct backup *set;
    const struct loan *loan; /* attached and found */
    struct copy *copy;
    struct manifest manifest; /* the set's own; backup NULL: none was found */
    struct places places;
};

/* Opens a session with all volumes of the loan in it.
 *   destination  of COPY_FILES; NULL */
bool copy_tree_open(struct copy_tree *tree, enum copy_purpose purpose, const char *destination,
                    int64_t end_ms, struct err *err);
/* Finds the manifest, and the places of the mounts: places.missing says which are not there. */
bool copy_tree_find(struct copy_tree *tree, struct err *err);

/* Whether the set claims that MOUNT was frozen. */
bool copy_tree_claims_frozen(const struct copy_tree *tree, const struct backup_mount *mount);
/* The manifest on an item.
 *   ret_found  false: none, or it can't be looked into: WHY_NOT (ERR_TEXT_BYTES) says why */
bool copy_tree_look(struct copy_tree *tree, uint32_t item, struct manifest *ret_manifest,
                    bool *ret_found, char *why_not, struct err *err);
/* Whether the session still stands after a call of it failed so: what it refused is a fact of this
 * set, all else is the end. */
bool copy_tree_refused(const struct err *why);

void copy_tree_close(struct copy_tree *tree); /* idempotent; waits until all is let go, bounded */
void copy_tree_free(struct copy_tree *tree);

#endif
