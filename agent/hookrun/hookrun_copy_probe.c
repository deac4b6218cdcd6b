/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_copy_probe.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/hookrun/hookrun_copy_child.h"
#include "agent/hookrun/hookrun_copy_room.h"
#include "agent/hookrun/hookrun_copy_slice.h"

enum { BLKID_NOTHING = 2, BLKID_AMBIVALENT = 8, PARTITIONS_MAX = 64, SYSFS_BYTES = 256 };

/* ---- what blkid says ---- */

static enum copy_item_kind kind_of(const char *type)
{
    static const struct {
        const char *type;
        enum copy_item_kind kind;
    } kinds[] = {
        {"", COPY_ITEM_EMPTY},          {"ext2", COPY_ITEM_FILESYSTEM},
        {"ext3", COPY_ITEM_FILESYSTEM}, {"ext4", COPY_ITEM_FILESYSTEM},
        {"xfs", COPY_ITEM_FILESYSTEM},  {"btrfs", COPY_ITEM_FILESYSTEM},
        {"vfat", COPY_ITEM_FILESYSTEM}, {"swap", COPY_ITEM_SWAP},
        {"LVM2_member", COPY_ITEM_LVM},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].type, type) == 0)
            return kinds[i].kind;
    return COPY_ITEM_OTHER;
}

/* VALUE up to its line's end; what can't be shown becomes '?'. */
static void take_value(const char *value, size_t bytes, char ret_text[COPY_NAME_BYTES])
{
    size_t length = 0;

    for (size_t i = 0; i < bytes && length < COPY_NAME_BYTES - 1; i++) {
        unsigned char one = (unsigned char)value[i];
        if (one == '\\' && i + 1 < bytes)
            one = (unsigned char)value[++i];
        ret_text[length++] = one < 0x80 && isprint(one) ? (char)one : '?';
    }
    ret_text[length] = '\0';
}

void copy_probe_read(const char *text, size_t bytes, struct copy_item *ret_item, bool *ret_table)
{
    struct {
        const char *key;
        char *value;
    } keys[] = {{"TYPE=", ret_item->type}, {"UUID=", ret_item->uuid}, {"LABEL=", ret_item->label}};

    *ret_table = false;
    for (const char *line = text, *end = text + bytes; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((stop == NULL ? end : stop) - line);
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
            size_t key_bytes = strlen(keys[i].key);
            if (length > key_bytes && memcmp(line, keys[i].key, key_bytes) == 0)
                take_value(line + key_bytes, length - key_bytes, keys[i].value);
        }
        if (length > 7 && memcmp(line, "PTTYPE=", 7) == 0)
            *ret_table = true;
        line += length + 1;
    }
    ret_item->kind = kind_of(ret_item->type);
}

static enum copy_status ask_blkid(struct copy_session *session, const char *node,
                                  struct copy_item *item, bool *ret_table, int64_t deadline_ms)
{
    char program[SYSFS_BYTES], path[SYSFS_BYTES];
    const char *args[] = {program, "-p", "-o", "export", path, NULL};
    const struct copy_child *tool = &session->tool;

    (void)snprintf(path, sizeof(path), "/dev/%s", node);
    if (copy_child_find(session, "blkid", program, sizeof(program)) == NULL)
        return COPY_NO_TOOL;
    enum copy_status status = copy_child_read(session, args, deadline_ms);
    if (status != COPY_OK)
        return status;
    if (WIFEXITED(tool->status) && WEXITSTATUS(tool->status) == BLKID_AMBIVALENT) {
        item->kind = COPY_ITEM_OTHER;
        (void)snprintf(item->type, sizeof(item->type), "%s", COPY_TYPE_AMBIGUOUS);
        return COPY_OK;
    }
    if (!copy_child_succeeded(tool) &&
        !(WIFEXITED(tool->status) && WEXITSTATUS(tool->status) == BLKID_NOTHING))
        return copy_session_tell(session, COPY_TOOL_FAILED, tool);
    copy_probe_read(session->tool_text.text,
                    copy_child_succeeded(tool) ? session->tool_text.bytes : 0, item, ret_table);
    return COPY_OK;
}

/* ---- items ---- */

static uint64_t size_of(const char *node)
{
    char path[SYSFS_BYTES];
    uint64_t bytes = 0;

    (void)snprintf(path, sizeof(path), "/dev/%s", node);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) < 0)
        bytes = 0; /* for people only */
    if (fd >= 0)
        (void)close(fd);
    return bytes;
}

static void keep_item(struct copy_session *session, const struct copy_item *item, const char *node)
{
    struct copy_place *place = &session->places[session->item_count];

    session->items[session->item_count++] = *item;
    (void)snprintf(place->node, sizeof(place->node), "%s", node);
    place->mounted = false;
}

enum copy_status copy_probe_tell(struct copy_session *session, uint32_t first)
{
    struct copy_reply *reply = &session->reply;

    reply->item_count = session->item_count - first;
    reply->data_bytes = reply->item_count * (uint32_t)sizeof(reply->data.items[0]);
    memcpy(reply->data.items, session->items + first, reply->data_bytes);
    return COPY_OK;
}

enum copy_status copy_probe_item(struct copy_session *session, uint32_t device, const char *node,
                                 const char *where, int64_t deadline_ms)
{
    struct copy_item item = {.device = device};
    bool table = false;

    if (session->item_count == COPY_ITEMS_MAX)
        return copy_session_say(session, COPY_FULL, 0, "more than %d items", COPY_ITEMS_MAX);
    (void)snprintf(item.where, sizeof(item.where), "%s", where);
    enum copy_status status = ask_blkid(session, node, &item, &table, deadline_ms);
    if (status != COPY_OK)
        return status;
    item.size_bytes = size_of(node);
    if (table && item.kind == COPY_ITEM_EMPTY) { /* an extended one, or one in a partition */
        item.kind = COPY_ITEM_OTHER;
        (void)snprintf(item.type, sizeof(item.type), "%s", COPY_TYPE_TABLE);
    }
    keep_item(session, &item, node);
    return COPY_OK;
}

/* ---- partitions, as the kernel has them ---- */

struct partition {
    unsigned number, dev_major, dev_minor;
    char name[COPY_NAME_BYTES];
};

/* The text of a small file of sysfs; false where it is not there. */
static bool read_sysfs(const char *folder, const char *name, char text[COPY_NAME_BYTES])
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, COPY_NAME_BYTES - 1);
    if (fd >= 0)
        (void)close(fd);
    text[got > 0 ? got : 0] = '\0';
    text[strcspn(text, " \n")] = '\0';
    return got >= 0;
}

static int by_number(const void *a, const void *b)
{
    const struct partition *left = a, *right = b;

    return left->number < right->number ? -1 : left->number > right->number;
}

/* One in the folder BELOW; false: it is none. */
static bool read_partition(const char *below, const char *name, struct partition *one)
{
    char number[COPY_NAME_BYTES], dev[COPY_NAME_BYTES];
    char *end = NULL;

    if (name[0] == '.' || strlen(name) >= sizeof(one->name) ||
        !read_sysfs(below, "partition", number) || !read_sysfs(below, "dev", dev))
        return false;
    one->number = (unsigned)strtoul(number, NULL, 10);
    one->dev_major = (unsigned)strtoul(dev, &end, 10);
    if (*end != ':')
        return false;
    one->dev_minor = (unsigned)strtoul(end + 1, NULL, 10);
    (void)snprintf(one->name, sizeof(one->name), "%s", name);
    return true;
}

static size_t list_partitions(const char *sysfs, struct partition list[PARTITIONS_MAX])
{
    DIR *folder = opendir(sysfs);
    const struct dirent *entry = NULL;
    size_t count = 0;

    while (folder != NULL && count < PARTITIONS_MAX && (entry = readdir(folder)) != NULL) {
        char below[PATH_MAX];
        (void)snprintf(below, sizeof(below), "%s/%s", sysfs, entry->d_name);
        count += read_partition(below, entry->d_name, &list[count]);
    }
    if (folder != NULL)
        (void)closedir(folder);
    qsort(list, count, sizeof(list[0]), by_number);
    return count;
}

/* Those that the kernel has. */
static enum copy_status add_partitions(struct copy_session *session, uint32_t device,
                                       const struct partition *list, size_t count,
                                       int64_t deadline_ms)
{
    enum copy_status status = COPY_OK;

    for (size_t i = 0; i < count && status == COPY_OK; i++) {
        char where[COPY_NAME_BYTES];
        (void)snprintf(where, sizeof(where), "p%u", list[i].number);
        int os_errno = copy_room_add_device(list[i].name, list[i].dev_major, list[i].dev_minor);
        status = os_errno != 0
                     ? copy_session_say(session, COPY_FAILED, os_errno, "mknod %s", list[i].name)
                     : copy_probe_item(session, device, list[i].name, where, deadline_ms);
    }
    return status;
}

static enum copy_status add_slices(struct copy_session *session, uint32_t device,
                                   int64_t deadline_ms)
{
    static struct copy_slice list[COPY_SLICES_MAX];
    const char *disk = session->devices[device].name;
    size_t count = 0;
    enum copy_status status = copy_slice_list(session, disk, list, &count, deadline_ms);

    for (size_t i = 0; i < count && status == COPY_OK; i++) {
        char where[COPY_NAME_BYTES], node[COPY_NAME_BYTES];
        (void)snprintf(where, sizeof(where), "p%u", list[i].number);
        int os_errno = copy_slice_open(disk, &list[i], node);
        status = os_errno != 0 ? copy_session_say(session, COPY_FAILED, os_errno,
                                                  "a loop device for %s of %s", where, disk)
                               : copy_probe_item(session, device, node, where, deadline_ms);
    }
    return status;
}

static enum copy_status add_parts(struct copy_session *session, uint32_t device, const char *sysfs,
                                  int64_t deadline_ms)
{
    static struct partition list[PARTITIONS_MAX];
    size_t count = list_partitions(sysfs, list);

    return count > 0 ? add_partitions(session, device, list, count, deadline_ms)
                     : add_slices(session, device, deadline_ms);
}

/* ---- the device ---- */

/* Is the number the named disk's, and the volume its serial's ("vol0…", where it tells one)? */
static enum copy_status recognise(struct copy_session *session, const char *sysfs)
{
    const struct copy_msg_add *add = &session->request.add;
    char real[PATH_MAX], serial[COPY_NAME_BYTES], wanted[COPY_NAME_BYTES], none[COPY_NAME_BYTES];

    if (realpath(sysfs, real) == NULL)
        return copy_session_say(session, COPY_WRONG_DEVICE, 0, "there is no block device %u:%u",
                                add->dev_major, add->dev_minor);
    if (strcmp(strrchr(real, '/') + 1, add->name) != 0)
        return copy_session_say(session, COPY_WRONG_DEVICE, 0, "%u:%u is %s", add->dev_major,
                                add->dev_minor, strrchr(real, '/') + 1);
    if (read_sysfs(sysfs, "partition", none))
        return copy_session_say(session, COPY_WRONG_DEVICE, 0, "%s is a partition", add->name);
    if (!read_sysfs(sysfs, "device/serial", serial) || strncmp(serial, "vol", 3) != 0)
        return COPY_OK;
    (void)snprintf(wanted, sizeof(wanted), "vol%s",
                   strncmp(add->volume, "vol-", 4) == 0 ? add->volume + 4 : "");
    return strcmp(serial, wanted) == 0
               ? COPY_OK
               : copy_session_say(session, COPY_WRONG_DEVICE, 0, "%s is %s", add->name, serial);
}

/* Mounted, swap, a part of a volume group or array: each has it claimed for itself. */
static enum copy_status refuse_used(struct copy_session *session, const char *name)
{
    char path[SYSFS_BYTES];

    (void)snprintf(path, sizeof(path), "/dev/%s", name);
    int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
    if (fd >= 0) {
        (void)close(fd);
        return COPY_OK;
    }
    return errno == EBUSY ? copy_session_say(session, COPY_IN_USE, 0, "%s", name)
                          : copy_session_say(session, COPY_FAILED, errno, "open %s", path);
}

static bool is_known(const struct copy_session *session, const struct copy_msg_add *add)
{
    for (uint32_t i = 0; i < session->device_count; i++)
        if (session->devices[i].dev_major == add->dev_major &&
            session->devices[i].dev_minor == add->dev_minor)
            return true;
    return false;
}

static enum copy_status take_in(struct copy_session *session, const char *sysfs)
{
    const struct copy_msg_add *add = &session->request.add;
    enum copy_status status = recognise(session, sysfs);

    if (status != COPY_OK)
        return status;
    int os_errno = copy_room_add_device(add->name, add->dev_major, add->dev_minor);
    if (os_errno != 0)
        return copy_session_say(session, COPY_FAILED, os_errno, "mknod %s", add->name);
    return refuse_used(session, add->name);
}

enum copy_status copy_probe_add(struct copy_session *session, int64_t deadline_ms)
{
    const struct copy_msg_add *add = &session->request.add;
    struct copy_device *device = &session->devices[session->device_count];
    uint32_t index = session->device_count, first = session->item_count;
    char sysfs[SYSFS_BYTES];

    if (session->device_count == COPY_DEVICES_MAX)
        return copy_session_say(session, COPY_FULL, 0, "more than %d devices", COPY_DEVICES_MAX);
    if (is_known(session, add))
        return copy_session_say(session, COPY_BAD_ARGUMENT, 0, "%s was added before", add->name);
    (void)snprintf(sysfs, sizeof(sysfs), "/sys/dev/block/%u:%u", add->dev_major, add->dev_minor);
    enum copy_status status = take_in(session, sysfs);
    if (status != COPY_OK)
        return status;
    (void)snprintf(device->name, sizeof(device->name), "%s", add->name);
    device->dev_major = add->dev_major;
    device->dev_minor = add->dev_minor;
    session->device_count++;
    status = copy_probe_item(session, index, add->name, "", deadline_ms);
    if (status == COPY_OK && strcmp(session->items[first].type, COPY_TYPE_TABLE) == 0)
        status = add_parts(session, index, sysfs, deadline_ms);
    if (status == COPY_OK)
        return copy_probe_tell(session, first);
    session->device_count = index; /* as if it had not been asked for */
    session->item_count = first;
    return status;
}
