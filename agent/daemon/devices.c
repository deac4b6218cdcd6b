/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/devices.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/buf.h"
#include "agent/daemon/device_disk.h"
#include "agent/daemon/sysfs.h"

enum { DEPTH_MAX = 16, TEXT = SYSFS_TEXT_BYTES };

/* One walk from a mount down. */
struct walk {
    const struct device_query *query;
    struct device_trace *trace;
    bool unknown, instance_store, other; /* what was met beside volumes */
    struct strs words;                   /* what was met, in words; of those three kinds */
    struct err *err;
};

static const struct device_attached *find_attached(const struct device_query *query, const char *id)
{
    for (size_t i = 0; i < query->attached_count; i++) {
        if (strcmp(query->attached[i].volume_id, id) == 0)
            return &query->attached[i];
    }
    return NULL;
}

/* --- what a walk meets ---------------------------------------------------------------- */

/* Notes what was met, once, and of which kind it is. */
static bool meet(struct walk *walk, bool *kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static bool meet(struct walk *walk, bool *kind, const char *fmt, ...)
{
    char text[512];
    va_list args;

    *kind = true;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return strs_add_once(&walk->words, text, walk->err);
}

static bool meet_volume(struct walk *walk, const struct sysfs_device *device, const char *id)
{
    if (find_attached(walk->query, id) != NULL)
        return strs_add_once(&walk->trace->volumes, id, walk->err);
    return meet(walk, &walk->unknown, "%s is %s, which EC2 does not list as attached here",
                device->name, id);
}

static const char *mapped_volume(const struct walk *walk, const struct sysfs_device *device)
{
    const struct device_map *map = walk->query->map;
    char number[32], name[300], mapper[300];

    (void)snprintf(number, sizeof(number), "%u:%u", device->major, device->minor);
    (void)snprintf(name, sizeof(name), "/dev/%s", device->name);
    (void)snprintf(mapper, sizeof(mapper), "/dev/mapper/%s", device->mapper);
    for (size_t i = 0; map != NULL && i < map->count; i++) {
        const char *key = map->items[i].device;
        if (strcmp(key, number) == 0 || (*device->name && strcmp(key, name) == 0) ||
            (*device->mapper && strcmp(key, mapper) == 0))
            return map->items[i].volume_id;
    }
    return NULL;
}

static bool meet_disk(struct walk *walk, const struct sysfs_device *device)
{
    struct device_disk disk;

    device_disk_identify(walk->query, device, &disk);
    switch (disk.kind) {
    case DEVICE_EBS:
        return meet_volume(walk, device, disk.volume);
    case DEVICE_INSTANCE_STORE:
        return meet(walk, &walk->instance_store, "%s", disk.words);
    case DEVICE_OTHER:
        return meet(walk, &walk->other, "%s", disk.words);
    case DEVICE_LOOP:
    case DEVICE_UNKNOWN:
        break;
    }
    return meet(walk, &walk->unknown, "%s", disk.words);
}

/* --- going down ----------------------------------------------------------------------- */

static bool go_down(struct walk *walk, const struct sysfs_device *device, bool mapped, int depth);

static bool go_down_slaves(struct walk *walk, const struct sysfs_device *device, const char *folder,
                           const struct strs *slaves, bool mapped, int depth)
{
    for (size_t i = 0; i < slaves->count; i++) {
        struct sysfs_device below;
        const char *name = slaves->items[i];
        bool ok = true;
        if (sysfs_open_link(walk->query->sysfs, folder, name, &below))
            ok = go_down(walk, &below, mapped, depth + 1);
        else if (!mapped)
            ok = meet(walk, &walk->unknown, "%s lies on %s, which sysfs does not have",
                      device->name, name);
        if (!ok)
            return false;
    }
    return true;
}

/* MAPPED: the volume is known from the map already, only files of loop devices are looked for. */
static bool go_down(struct walk *walk, const struct sysfs_device *device, bool mapped, int depth)
{
    char text[TEXT], folder[64];
    struct sysfs_device parent;

    if (depth > DEPTH_MAX)
        return meet(walk, &walk->unknown, "%s: too many layers", device->name);
    const char *volume = mapped ? NULL : mapped_volume(walk, device);
    if (volume != NULL) {
        if (!meet_volume(walk, device, volume))
            return false;
        mapped = true;
    }
    if (sysfs_has(device, "partition") && sysfs_open_parent(device, &parent))
        return go_down(walk, &parent, mapped, depth + 1);
    if (sysfs_text(device, "loop/backing_file", text) && *text != '\0')
        return strs_add_once(&walk->trace->backing, text, walk->err) &&
               (mapped || strs_add_once(&walk->trace->unmapped_backing, text, walk->err));

    struct strs slaves = {NULL, 0};
    (void)snprintf(folder, sizeof(folder), "dev/block/%u:%u/slaves", device->major, device->minor);
    bool ok = sysfs_list(walk->query->sysfs, folder, &slaves, walk->err);
    if (ok && slaves.count > 0)
        ok = go_down_slaves(walk, device, folder, &slaves, mapped, depth);
    else if (ok && !mapped)
        ok = meet_disk(walk, device);
    strs_free(&slaves);
    return ok;
}

/* Device mapper writes a hyphen of a name twice, and one between the group and the volume. */
static bool lvm_place(const char *mapper, char *place, size_t size)
{
    size_t len = (size_t)snprintf(place, size, "lvm:");
    bool split = false;

    for (const char *at = mapper; *at != '\0' && len + 1 < size; at++) {
        bool twice = at[0] == '-' && at[1] == '-';
        bool between = at[0] == '-' && !twice && !split;
        split = split || between;
        place[len++] = *(between ? "/" : at);
        at += twice;
    }
    place[len] = '\0';
    return split;
}

/* Where on its disk the filesystem lies, so that it is found again on a copy. */
static bool note_place(struct walk *walk, const struct sysfs_device *device)
{
    char text[TEXT], uuid[TEXT], place[300];
    bool known = true;

    if (walk->trace->place != NULL)
        return true;
    if (mapped_volume(walk, device) != NULL) {
        (void)snprintf(place, sizeof(place), "disk");
    } else if (sysfs_text(device, "partition", text)) {
        (void)snprintf(place, sizeof(place), "p%.20s", text);
    } else if (device->mapper[0] != '\0') {
        known = sysfs_text(device, "dm/uuid", uuid) && strncmp(uuid, "LVM-", 4) == 0 &&
                lvm_place(device->mapper, place, sizeof(place));
    } else {
        (void)snprintf(place, sizeof(place), "disk");
        known = !sysfs_has(device, "md") && !sysfs_has(device, "loop/backing_file");
    }
    return !known || strs_dup(&walk->trace->place, place, walk->err);
}

static bool start_at(struct walk *walk, const struct sysfs_device *device)
{
    return note_place(walk, device) &&
           strs_printf(&walk->trace->stats, walk->err, "%s/stat", device->dir) &&
           go_down(walk, device, false, 0);
}

/* --- filesystems whose device number does not say ------------------------------------- */

enum { FOLDER_BYTES = 300 };

/* Whether MEMBER, a name in FOLDER, is the device that SOURCE names. */
static bool member_is(const char *sysfs, const char *folder, const char *member, const char *source)
{
    struct sysfs_device device;
    const char *base = strrchr(source, '/');

    base = base ? base + 1 : source;
    if (strcmp(member, base) == 0)
        return true;
    return sysfs_open_link(sysfs, folder, member, &device) && *device.mapper != '\0' &&
           strcmp(device.mapper, base) == 0;
}

/* Finds fs/btrfs/UUID/devices of the filesystem mounted from SOURCE; "" where none or several fit.
 * One filesystem alone needs no fitting name ("/dev/root"). */
static bool btrfs_folder(const char *sysfs, const char *source, char *folder, struct err *err)
{
    struct strs ids = {NULL, 0};
    char fitting[FOLDER_BYTES] = "", only[FOLDER_BYTES] = "";
    size_t fit_count = 0, count = 0;
    bool ok = sysfs_list(sysfs, "fs/btrfs", &ids, err);

    for (size_t i = 0; ok && i < ids.count; i++) {
        struct strs members = {NULL, 0};
        char path[FOLDER_BYTES];
        (void)snprintf(path, sizeof(path), "fs/btrfs/%s/devices", ids.items[i]);
        ok = sysfs_list(sysfs, path, &members, err);
        bool fits = strstr(source, ids.items[i]) != NULL; /* /dev/disk/by-uuid/… */
        for (size_t k = 0; k < members.count; k++)
            fits = fits || member_is(sysfs, path, members.items[k], source);
        if (members.count > 0) { /* "features" has none */
            count++;
            memcpy(only, path, sizeof(path));
            fit_count += fits;
            if (fits)
                memcpy(fitting, path, sizeof(path));
        }
        strs_free(&members);
    }
    strs_free(&ids);
    const char *found = fit_count == 1 ? fitting : fit_count == 0 && count == 1 ? only : "";
    memcpy(folder, found, strlen(found) + 1);
    return ok;
}

static bool start_at_btrfs(struct walk *walk, const struct mount *mount)
{
    const char *sysfs = walk->query->sysfs;
    struct strs members = {NULL, 0};
    char folder[FOLDER_BYTES];

    if (!btrfs_folder(sysfs, mount->source, folder, walk->err))
        return false;
    if (folder[0] == '\0')
        return meet(walk, &walk->unknown, "the members of the btrfs of %s can't be told",
                    mount->source);
    bool ok = sysfs_list(sysfs, folder, &members, walk->err);
    for (size_t i = 0; ok && i < members.count; i++) {
        struct sysfs_device device;
        if (sysfs_open_link(sysfs, folder, members.items[i], &device))
            ok = start_at(walk, &device);
        else
            ok = meet(walk, &walk->unknown, "sysfs does not have %s, a member of btrfs",
                      members.items[i]);
    }
    strs_free(&members);
    return ok;
}

static bool start_at_name(struct walk *walk, const char *name)
{
    struct sysfs_device device;

    if (sysfs_open_name(walk->query->sysfs, name, &device))
        return start_at(walk, &device);
    return meet(walk, &walk->unknown, "sysfs does not have %s", name);
}

/* bcachefs names its members in the source: "/dev/a:/dev/b". */
static bool start_at_each(struct walk *walk, const char *source)
{
    AUTO_FREE char *copy = strdup(source);
    char *rest = copy;

    if (copy == NULL)
        return err_set(walk->err, ERR_INTERNAL, 0, "out of memory");
    for (char *name = strsep(&rest, ":"); name != NULL; name = strsep(&rest, ":")) {
        if (!start_at_name(walk, name))
            return false;
    }
    return true;
}

/* A log, journal or realtime device of its own is part of the filesystem. */
static bool follow_options(struct walk *walk, const struct mount *mount)
{
    static const char *const options[] = {"logdev=", "rtdev=", "journal_path="};
    AUTO_FREE char *copy = strdup(mount->super_options);
    char *rest = copy;

    if (copy == NULL)
        return err_set(walk->err, ERR_INTERNAL, 0, "out of memory");
    for (char *word = strsep(&rest, ","); word != NULL; word = strsep(&rest, ",")) {
        for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
            size_t len = strlen(options[i]);
            if (strncmp(word, options[i], len) == 0 && !start_at_name(walk, word + len))
                return false;
        }
    }
    return true;
}

/* --- the verdict ---------------------------------------------------------------------- */

static bool join(const struct strs *words, char **ret_text, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(STRS_MAX * 512);

    for (size_t i = 0; i < words->count; i++) {
        if (!buf_printf(&text, err, "%s%s", i ? "; " : "", words->items[i]))
            return false;
    }
    return strs_dup(ret_text, buf_text(&text), err);
}

static bool conclude(struct walk *walk)
{
    struct device_trace *trace = walk->trace;
    struct err *err = walk->err;

    strs_sort(&trace->volumes);
    if (trace->volumes.count > 0) {
        trace->kind = DEVICE_EBS;
        for (size_t i = 0; i < trace->unmapped_backing.count; i++) {
            if (!strs_printf(&trace->elsewhere, err, "a loop device on %s",
                             trace->unmapped_backing.items[i]))
                return false;
        }
        for (size_t i = 0; i < walk->words.count; i++) {
            if (!strs_add_once(&trace->elsewhere, walk->words.items[i], err))
                return false;
        }
        return true;
    }
    if (walk->unknown)
        trace->kind = DEVICE_UNKNOWN;
    else if (trace->unmapped_backing.count > 0)
        trace->kind = DEVICE_LOOP;
    else if (walk->instance_store)
        trace->kind = DEVICE_INSTANCE_STORE;
    else
        trace->kind = DEVICE_OTHER;
    if (trace->kind == DEVICE_LOOP && walk->words.count == 0)
        return strs_add(&walk->words, "a loop device", err) && join(&walk->words, &trace->why, err);
    return join(&walk->words, &trace->why, err);
}

static bool start_walk(struct walk *walk, const struct mount *mount)
{
    struct sysfs_device device;
    char number[32];

    if (strcmp(mount->fs, "zfs") == 0)
        return meet(walk, &walk->unknown, "the disks of ZFS %s can't be seen", mount->source);
    if (mount->major == 0 && strcmp(mount->fs, "btrfs") == 0)
        return start_at_btrfs(walk, mount);
    if (mount->major == 0)
        return start_at_each(walk, mount->source);
    if (sysfs_open(walk->query->sysfs, mount->major, mount->minor, &device))
        return start_at(walk, &device);
    (void)snprintf(number, sizeof(number), "%u:%u", mount->major, mount->minor);
    return meet(walk, &walk->unknown, "sysfs has no block device %s", number);
}

bool devices_trace(const struct device_query *query, const struct mount *mount,
                   struct device_trace *ret_trace, struct err *err)
{
    struct device_trace trace = {.kind = DEVICE_OTHER};
    struct walk walk = {.query = query, .trace = &trace, .err = err};

    if (access(query->sysfs, X_OK) != 0)
        return err_set(err, ERR_SYS, 0, "%s can't be read", query->sysfs);
    bool ok = start_walk(&walk, mount) && follow_options(&walk, mount) && conclude(&walk);
    strs_free(&walk.words);
    if (!ok) {
        devices_trace_free(&trace);
        return err_wrap(err, "the device of %s", mount->path);
    }
    *ret_trace = trace;
    return true;
}

void devices_trace_free(struct device_trace *trace)
{
    strs_free(&trace->volumes);
    strs_free(&trace->elsewhere);
    strs_free(&trace->backing);
    strs_free(&trace->unmapped_backing);
    strs_free(&trace->stats);
    free(trace->place);
    free(trace->why);
    *trace = (struct device_trace){.kind = DEVICE_OTHER};
}

bool devices_trace_all(const struct device_query *query, const struct mount_list *list,
                       struct device_trace **ret_traces, struct err *err)
{
    struct device_trace *traces = calloc(list->count + 1, sizeof(*traces));

    if (traces == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    for (size_t i = 0; i < list->count; i++) {
        traces[i].kind = DEVICE_OTHER;
        if (list->items[i].class != MOUNT_BLOCK)
            continue;
        if (!devices_trace(query, list->items[i].mount, &traces[i], err)) {
            devices_traces_free(traces, list->count);
            return false;
        }
    }
    *ret_traces = traces;
    return true;
}

void devices_traces_free(struct device_trace *traces, size_t count)
{
    for (size_t i = 0; traces != NULL && i < count; i++)
        devices_trace_free(&traces[i]);
    free(traces);
}

bool devices_stat_writes(const char *text, uint64_t *ret_writes)
{
    /* Documentation/block/stat.rst: 5th writes done, 9th in flight, 12th (4.18) discards done. */
    enum { WRITES = 4, IN_FLIGHT = 8, FIELDS_MIN = 11, DISCARDS = 11, FIELDS = 12 };
    uint64_t field[FIELDS] = {0};
    size_t count = 0;
    char *end = NULL;

    for (; count < FIELDS; count++) {
        text += strspn(text, " \t\n");
        if (*text < '0' || *text > '9')
            break;
        field[count] = strtoull(text, &end, 10);
        text = end;
    }
    if (count < FIELDS_MIN)
        return false;
    *ret_writes = field[WRITES] + field[IN_FLIGHT] + field[DISCARDS];
    return true;
}
