/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/mounts.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/parse.h"

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, 0, "out of memory");
}

/* --- one line ------------------------------------------------------------------------- */

/* Cuts the next field off at one blank; NULL at the end. A field may be empty (a mount whose source
 * is ""). */
static char *next_field(char **rest)
{
    return *rest ? strsep(rest, " ") : NULL;
}

static bool read_number(const char *text, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (*text == '\0' || strlen(text) > 19)
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *ret_value = value;
    return value <= max;
}

bool mounts_path_below(const char *path, const char *base)
{
    size_t len = strlen(base);

    if (strcmp(base, "/") == 0)
        return *path == '/';
    return strncmp(path, base, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static bool has_option(const char *options, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = options; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return true;
    }
    return false;
}

static bool keep(char **slot, char *text)
{
    parse_unescape(text);
    *slot = strdup(text);
    return *slot != NULL;
}

static void mount_free(struct mount *mount)
{
    free(mount->root);
    free(mount->path);
    free(mount->fs);
    free(mount->source);
    free(mount->options);
    free(mount->super_options);
    memset(mount, 0, sizeof(*mount));
}

/* ID PARENT MAJ:MIN ROOT PATH OPTIONS [TAG…] - FS SOURCE SUPER_OPTIONS */
static bool parse_line(char *line, struct mount *ret_mount, struct err *err)
{
    char *id = next_field(&line), *parent = next_field(&line), *device = next_field(&line);
    char *root = next_field(&line), *path = next_field(&line), *options = next_field(&line);
    char *tag = next_field(&line);

    while (tag != NULL && strcmp(tag, "-") != 0)
        tag = next_field(&line);
    char *fs = next_field(&line), *source = next_field(&line), *super = next_field(&line);
    if (super == NULL)
        return err_set(err, ERR_PROTOCOL, 0, "too few fields");
    if (!read_number(id, INT64_MAX, &ret_mount->id) ||
        !read_number(parent, INT64_MAX, &ret_mount->parent_id))
        return err_set(err, ERR_PROTOCOL, 0, "its number is none");
    if (!parse_device(device, &ret_mount->major, &ret_mount->minor))
        return err_set(err, ERR_PROTOCOL, 0, "its device is none");
    if (*path != '/' || *fs == '\0' || *root == '\0')
        return err_set(err, ERR_PROTOCOL, 0,
                       "its mount point is no absolute path, or a field is "
                       "empty");
    if (!keep(&ret_mount->root, root) || !keep(&ret_mount->path, path) ||
        !keep(&ret_mount->fs, fs) || !keep(&ret_mount->source, source) ||
        !keep(&ret_mount->options, options) || !keep(&ret_mount->super_options, super))
        return no_memory(err);
    ret_mount->read_only = has_option(ret_mount->options, "ro");
    ret_mount->super_read_only = has_option(ret_mount->super_options, "ro");
    return true;
}

/* --- what hides what ------------------------------------------------------------------ */

/* Mounts sorted by (parent, path), so that "is something mounted on that mount at that path" is one
 * look-up. */
struct tree {
    struct mount **by_place;
    struct mount **by_id;
    size_t count;
};

static int compare_text_n(const char *a, const char *b, size_t b_len)
{
    int order = strncmp(a, b, b_len);

    return order != 0 ? order : a[b_len] != '\0';
}

static int compare_place(const void *a, const void *b)
{
    const struct mount *x = *(struct mount *const *)a, *y = *(struct mount *const *)b;

    if (x->parent_id != y->parent_id)
        return x->parent_id < y->parent_id ? -1 : 1;
    return strcmp(x->path, y->path);
}

static int compare_id(const void *a, const void *b)
{
    const struct mount *x = *(struct mount *const *)a, *y = *(struct mount *const *)b;

    return x->id < y->id ? -1 : x->id > y->id;
}

static struct mount *find_id(const struct tree *tree, uint64_t id)
{
    struct mount key = {.id = id}, *wanted = &key;
    struct mount **found =
        bsearch(&wanted, tree->by_id, tree->count, sizeof(*tree->by_id), compare_id);

    return found ? *found : NULL;
}

/* Whether something other than BUT is mounted on mount PARENT_ID at the first LEN bytes of PATH. */
static bool covered_at(const struct tree *tree, uint64_t parent_id, const char *path, size_t len,
                       const struct mount *but)
{
    size_t low = 0, high = tree->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct mount *mount = tree->by_place[middle];
        bool less = mount->parent_id < parent_id ||
                    (mount->parent_id == parent_id && compare_text_n(mount->path, path, len) < 0);
        if (less)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < tree->count && tree->by_place[low]->parent_id == parent_id &&
           compare_text_n(tree->by_place[low]->path, path, len) == 0;
         low++) {
        if (tree->by_place[low] != but && tree->by_place[low]->id != parent_id)
            return true;
    }
    return false;
}

/* Whether a look-up of MOUNT's path, once on its parent, ends on another mount: one on the parent's
 * own root, or on a folder on the way. */
static bool way_covered(const struct tree *tree, const struct mount *parent,
                        const struct mount *mount)
{
    size_t parent_len = strlen(parent->path);

    if (strcmp(parent->path, mount->path) == 0 || !mounts_path_below(mount->path, parent->path))
        return false;
    if (covered_at(tree, parent->id, parent->path, parent_len, mount))
        return true;
    for (size_t i = parent_len + 1; mount->path[i] != '\0'; i++) {
        if (mount->path[i] == '/' && covered_at(tree, parent->id, mount->path, i, mount))
            return true;
    }
    return false;
}

static bool is_hidden(const struct tree *tree, const struct mount *mount)
{
    enum { DEPTH_MAX = 256 }; /* what is stacked deeper, or in a circle, is not for us */

    if (covered_at(tree, mount->id, mount->path, strlen(mount->path), NULL))
        return true;
    for (int depth = 0; depth < DEPTH_MAX; depth++) {
        const struct mount *parent = find_id(tree, mount->parent_id);
        if (parent == NULL || parent == mount)
            return false;
        if (way_covered(tree, parent, mount))
            return true;
        mount = parent;
    }
    return true;
}

static bool mark_hidden(struct mounts *mounts, struct err *err)
{
    size_t bytes = (mounts->count + 1) * sizeof(struct mount *);
    AUTO_FREE struct mount **by_place = malloc(bytes);
    AUTO_FREE struct mount **by_id = malloc(bytes);
    struct tree tree = {by_place, by_id, mounts->count};

    if (by_place == NULL || by_id == NULL)
        return no_memory(err);
    for (size_t i = 0; i < mounts->count; i++)
        by_place[i] = by_id[i] = &mounts->items[i];
    qsort(by_place, tree.count, sizeof(*by_place), compare_place);
    qsort(by_id, tree.count, sizeof(*by_id), compare_id);
    for (size_t i = 0; i < mounts->count; i++)
        mounts->items[i].hidden = is_hidden(&tree, &mounts->items[i]);
    return true;
}

/* --- the table ------------------------------------------------------------------------ */

static bool add_line(struct mounts *mounts, size_t *room, char *line, size_t number,
                     struct err *err)
{
    if (mounts->count >= MOUNTS_MAX)
        return err_set(err, ERR_LIMIT, 0, "more than %d mounts", MOUNTS_MAX);
    if (mounts->count == *room) {
        size_t more = *room ? *room * 2 : 64;
        struct mount *items = realloc(mounts->items, more * sizeof(*items));
        if (items == NULL)
            return no_memory(err);
        mounts->items = items;
        *room = more;
    }
    struct mount *mount = &mounts->items[mounts->count];
    memset(mount, 0, sizeof(*mount));
    if (!parse_line(line, mount, err)) {
        mount_free(mount);
        return err_wrap(err, "mount table, line %zu", number);
    }
    mounts->count++;
    return true;
}

bool mounts_parse(const char *text, size_t len, struct mounts *ret_mounts, struct err *err)
{
    struct mounts mounts = {NULL, 0};
    size_t room = 0, number = 0;
    bool ok = true;

    if (len > MOUNTS_TEXT_BYTES_MAX)
        return err_set(err, ERR_LIMIT, 0, "a mount table of more than %d bytes",
                       MOUNTS_TEXT_BYTES_MAX);
    if (memchr(text, '\0', len) != NULL)
        return err_set(err, ERR_PROTOCOL, 0, "a zero byte in the mount table");
    AUTO_FREE char *copy = strndup(text, len);
    if (copy == NULL)
        return no_memory(err);
    char *rest = copy;
    while (ok && rest != NULL && *rest != '\0') {
        char *line = strsep(&rest, "\n");
        ok = add_line(&mounts, &room, line, ++number, err);
    }
    if (!ok || !mark_hidden(&mounts, err)) {
        mounts_free(&mounts);
        return false;
    }
    *ret_mounts = mounts;
    return true;
}

void mounts_free(struct mounts *mounts)
{
    for (size_t i = 0; i < mounts->count; i++)
        mount_free(&mounts->items[i]);
    free(mounts->items);
    *mounts = (struct mounts){NULL, 0};
}
