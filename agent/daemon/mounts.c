/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/mounts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* Undoes the kernel's \040 \011 \012 \134 (and \043) in place. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0';) {
        if (from[0] == '\\' && is_octal(from[1]) && is_octal(from[2]) && is_octal(from[3])) {
            int c = (from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0');
            *to++ = (char)(unsigned char)(c & 0xff);
            from += 4;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
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

static bool read_device(char *text, uint32_t *ret_major, uint32_t *ret_minor)
{
    char *colon = strchr(text, ':');
    uint64_t major, minor;

    if (colon == NULL)
        return false;
    *colon = '\0';
    if (!read_number(text, UINT32_MAX, &major) || !read_number(colon + 1, UINT32_MAX, &minor))
        return false;
    *ret_major = (uint32_t)major;
    *ret_minor = (uint32_t)minor;
    return true;
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
    unescape(text);
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
    if (!read_device(device, &ret_mount->major, &ret_mount->minor))
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

/* --- one entry a superblock ----------------------------------------------------------- */

static bool one_of(const char *text, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (strcmp(text, *list) == 0)
            return true;
    }
    return false;
}

static enum mount_class class_of(const struct mount *mount)
{
    static const char *const network[] = {
        "nfs",         "nfs4",          "cifs",      "smb3",           "smbfs",     "ceph",
        "9p",          "virtiofs",      "afs",       "lustre",         "coda",      "ncpfs",
        "orangefs",    "fuse.sshfs",    "fuse.s3fs", "fuse.glusterfs", "fuse.ceph", "fuse.rclone",
        "fuse.goofys", "fuse.mount-s3", NULL};
    static const char *const stacked[] = {"overlay", "aufs", "ecryptfs", "fuse", NULL};
    static const char *const pooled[] = {"btrfs", "zfs", "bcachefs", NULL};

    if (strcmp(mount->fs, "autofs") == 0)
        return MOUNT_AUTOFS;
    if (one_of(mount->fs, network))
        return MOUNT_NETWORK;
    if (mount->major != 0 || one_of(mount->fs, pooled))
        return MOUNT_BLOCK;
    if (one_of(mount->fs, stacked) || strncmp(mount->fs, "fuse.", 5) == 0)
        return MOUNT_STACKED;
    return MOUNT_MEMORY;
}

/* Kernel drivers with a freeze_fs or freeze_super; ioctl_fsfreeze() in fs/ioctl.c refuses the rest
 * with EOPNOTSUPP. */
static enum mount_freeze freeze_of(const struct mount *mount)
{
    static const char *const yes[] = {"ext2",   "ext3", "ext4",     "xfs",      "btrfs", "f2fs",
                                      "nilfs2", "jfs",  "reiserfs", "bcachefs", "gfs2",  NULL};
    static const char *const sync[] = {"vfat", "msdos", "exfat", NULL};

    if (one_of(mount->fs, yes))
        return MOUNT_FREEZE_YES;
    return one_of(mount->fs, sync) ? MOUNT_FREEZE_SYNC : MOUNT_FREEZE_NO;
}

/* Whether A is the better way to the same superblock; of equal ones the earlier stays. */
static bool better(const struct mount *a, const struct mount *b)
{
    bool a_whole = strcmp(a->root, "/") == 0, b_whole = strcmp(b->root, "/") == 0;

    if (a->hidden != b->hidden)
        return b->hidden;
    if (a_whole != b_whole)
        return a_whole;
    if (a->read_only != b->read_only)
        return b->read_only;
    return strlen(a->path) < strlen(b->path);
}

static int compare_device(const void *a, const void *b)
{
    const struct mount *x = *(const struct mount *const *)a, *y = *(const struct mount *const *)b;

    if (x->major != y->major)
        return x->major < y->major ? -1 : 1;
    if (x->minor != y->minor)
        return x->minor < y->minor ? -1 : 1;
    return x < y ? -1 : x > y; /* one array: its order is the text's */
}

static int compare_pick(const void *a, const void *b)
{
    const struct mount_pick *x = a, *y = b;

    return x->mount < y->mount ? -1 : x->mount > y->mount;
}

static bool same_device(const struct mount *a, const struct mount *b)
{
    return a->major == b->major && a->minor == b->minor;
}

bool mounts_fold(const struct mounts *mounts, struct mount_list *ret_list, struct err *err)
{
    AUTO_FREE const struct mount **sorted = malloc((mounts->count + 1) * sizeof(*sorted));
    struct mount_pick *picks = calloc(mounts->count + 1, sizeof(*picks));
    size_t count = 0;

    if (sorted == NULL || picks == NULL) {
        free(picks);
        return no_memory(err);
    }
    for (size_t i = 0; i < mounts->count; i++)
        sorted[i] = &mounts->items[i];
    qsort(sorted, mounts->count, sizeof(*sorted), compare_device);
    for (size_t i = 0; i < mounts->count; i++) {
        if (i == 0 || !same_device(sorted[i], sorted[i - 1]))
            picks[count++] = (struct mount_pick){.mount = sorted[i]};
        struct mount_pick *pick = &picks[count - 1];
        pick->mount_count++;
        if (better(sorted[i], pick->mount))
            pick->mount = sorted[i];
        pick->class = class_of(pick->mount);
        pick->freeze = freeze_of(pick->mount);
    }
    qsort(picks, count, sizeof(*picks), compare_pick);
    *ret_list = (struct mount_list){picks, count};
    return true;
}

void mounts_list_free(struct mount_list *list)
{
    free(list->items);
    *list = (struct mount_list){NULL, 0};
}

const struct mount_pick *mounts_find(const struct mounts *mounts, const struct mount_list *list,
                                     uint64_t mnt_id, uint32_t major, uint32_t minor)
{
    struct mount wanted = {.major = major, .minor = minor};

    for (size_t i = 0; mnt_id != 0 && i < mounts->count; i++) {
        if (mounts->items[i].id == mnt_id) {
            wanted = mounts->items[i];
            break;
        }
    }
    for (size_t i = 0; i < list->count; i++) {
        if (same_device(list->items[i].mount, &wanted))
            return &list->items[i];
    }
    return NULL;
}

bool mounts_path_below(const char *path, const char *base)
{
    size_t len = strlen(base);

    if (strcmp(base, "/") == 0)
        return *path == '/';
    return strncmp(path, base, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

const struct mount_pick *mounts_holding(const struct mounts *mounts, const struct mount_list *list,
                                        const char *path)
{
    const struct mount *best = NULL;

    for (size_t i = 0; i < mounts->count; i++) {
        const struct mount *mount = &mounts->items[i];
        if (mount->hidden || !mounts_path_below(path, mount->path))
            continue;
        if (best == NULL || strlen(mount->path) > strlen(best->path))
            best = mount;
    }
    return best ? mounts_find(mounts, list, best->id, best->major, best->minor) : NULL;
}

/* --- the order of freezing ------------------------------------------------------------ */

/* reach[a * count + b]: A comes before B, directly or by way of others. */
struct order {
    bool *reach;
    size_t count;
};

/* False: B comes before A already. */
static bool put_before(struct order *order, size_t a, size_t b)
{
    size_t n = order->count;

    if (a == b || order->reach[b * n + a])
        return false;
    if (order->reach[a * n + b])
        return true;
    for (size_t x = 0; x < n; x++) {
        if (x != a && !order->reach[x * n + a])
            continue;
        for (size_t y = 0; y < n; y++) {
            if (y == b || order->reach[b * n + y])
                order->reach[x * n + y] = true;
        }
    }
    return true;
}

static size_t depth(const char *path)
{
    size_t count = 0;

    for (; *path != '\0'; path++)
        count += path[0] == '/' && path[1] != '\0';
    return count;
}

static bool goes_first(const struct mount *a, const struct mount *b)
{
    size_t a_depth = depth(a->path), b_depth = depth(b->path);

    return a_depth != b_depth ? a_depth > b_depth : strcmp(a->path, b->path) < 0;
}

/* The next that nobody left comes before; circles were refused, so there is one. */
static size_t take_next(const struct order *order, const struct mount *const *mounts,
                        const bool *taken)
{
    size_t best = order->count;

    for (size_t i = 0; i < order->count; i++) {
        bool free_now = !taken[i];
        for (size_t x = 0; free_now && x < order->count; x++)
            free_now = taken[x] || !order->reach[x * order->count + i];
        if (free_now && (best == order->count || goes_first(mounts[i], mounts[best])))
            best = i;
    }
    return best;
}

bool mounts_order(const struct mount *const *mounts, size_t count, struct mount_rule *rules,
                  size_t rule_count, size_t *ret_order, struct err *err)
{
    bool taken[MOUNTS_ORDER_MAX] = {false};

    if (count > MOUNTS_ORDER_MAX)
        return err_set(err, ERR_LIMIT, 0, "more than %d mounts to freeze", MOUNTS_ORDER_MAX);
    AUTO_FREE bool *reach = calloc(count * count + 1, sizeof(*reach));
    struct order order = {reach, count};
    if (reach == NULL)
        return no_memory(err);
    for (size_t i = 0; i < rule_count; i++) {
        rules[i].met = !rules[i].wanted_only && put_before(&order, rules[i].before, rules[i].after);
        if (!rules[i].met && !rules[i].wanted_only)
            return err_set(err, ERR_PRECONDITION, 0,
                           "%s and %s: each would have to be frozen before the other",
                           mounts[rules[i].before]->path, mounts[rules[i].after]->path);
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < count; k++) {
            if (i != k && mounts_path_below(mounts[i]->path, mounts[k]->path))
                (void)put_before(&order, i, k); /* a firm rule may say otherwise */
        }
    }
    for (size_t i = 0; i < rule_count; i++) {
        if (rules[i].wanted_only)
            rules[i].met = put_before(&order, rules[i].before, rules[i].after);
    }
    for (size_t i = 0; i < count; i++) {
        ret_order[i] = take_next(&order, mounts, taken);
        taken[ret_order[i]] = true;
    }
    return true;
}
