/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_copy_groups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/hookrun/hookrun_copy_child.h"
#include "agent/hookrun/hookrun_copy_probe.h"
#include "agent/hookrun/hookrun_copy_room.h"

#define PREFIX "stillpoint_"

enum { GROUPS_MAX = 16, LINE_BYTES = 256, SWEEPS = 4, MISC_MAJOR = 10 };

static const char config[] =
    "devices { dir = \"/dev\" scan = [ \"/dev\" ] obtain_device_list_from_udev = 0 "
    "use_devicesfile = 0 external_device_info_source = \"none\" hints = \"none\" }\n"
    "global { use_lvmpolld = 0 event_activation = 0 }\n"
    "activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }\n"
    "backup { backup = 0 archive = 0 }\n";

struct group {
    char name[LINE_BYTES]; /* as the node calls it */
    const char *nodes[COPY_ITEMS_MAX];
    size_t node_count;
    uint32_t device; /* of its first volume */
};

struct groups {
    char program[LINE_BYTES];
    struct group list[GROUPS_MAX];
    size_t count;
    char paths[COPY_ITEMS_MAX][LINE_BYTES]; /* of the physical volumes */
};

/* ---- LVM's words ---- */

bool copy_groups_field(const char *line, size_t length, const char *key, char *value, size_t bytes)
{
    size_t key_bytes = strlen(key);

    for (size_t at = 0; at + key_bytes + 2 <= length; at++) {
        if ((at > 0 && line[at - 1] != ' ') || memcmp(line + at, key, key_bytes) != 0 ||
            line[at + key_bytes] != '=' || line[at + key_bytes + 1] != '\'')
            continue;
        const char *from = line + at + key_bytes + 2;
        const char *to = memchr(from, '\'', (size_t)(line + length - from));
        if (to == NULL || (size_t)(to - from) >= bytes)
            return false;
        memcpy(value, from, (size_t)(to - from));
        value[to - from] = '\0';
        return true;
    }
    return false;
}

/* The next line of TEXT from *AT on; false: there is none. */
static bool next_line(const struct copy_text *text, size_t *at, const char **ret_line,
                      size_t *ret_length)
{
    if (*at >= text->bytes)
        return false;
    const char *line = text->text + *at;
    const char *end = memchr(line, '\n', text->bytes - *at);
    *ret_line = line;
    *ret_length = end == NULL ? text->bytes - *at : (size_t)(end - line);
    *at += *ret_length + 1;
    return true;
}

/* ---- asking LVM ---- */

static bool write_config(void)
{
    int fd;

    if (mkdir(COPY_LVM_FOLDER, 0700) < 0 && errno != EEXIST)
        return false;
    fd = open(COPY_LVM_FOLDER "/lvm.conf", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool written = write(fd, config, sizeof(config) - 1) == (ssize_t)sizeof(config) - 1;
    return close(fd) == 0 && written;
}

static enum copy_status run(struct copy_session *session, const char *const *args,
                            int64_t deadline_ms)
{
    enum copy_status status = copy_child_run(session, args, deadline_ms);

    if (status == COPY_OK && !copy_child_succeeded(&session->tool))
        return copy_session_tell(session, COPY_TOOL_FAILED, &session->tool);
    return status;
}

/* ---- physical volumes ---- */

static struct group *group_named(struct groups *groups, const char *name)
{
    for (size_t i = 0; i < groups->count; i++)
        if (strcmp(groups->list[i].name, name) == 0)
            return &groups->list[i];
    if (groups->count == GROUPS_MAX)
        return NULL;
    struct group *group = &groups->list[groups->count++];
    memset(group, 0, sizeof(*group));
    (void)snprintf(group->name, sizeof(group->name), "%s", name);
    return group;
}

static enum copy_status take_volume(struct copy_session *session, struct groups *groups,
                                    const char *path, const char *name)
{
    for (uint32_t i = 0; i < session->item_count; i++) {
        if (session->items[i].kind != COPY_ITEM_LVM ||
            strcmp(path + strlen("/dev/"), session->places[i].node) != 0)
            continue;
        if (groups->paths[i][0] != '\0')
            return COPY_OK; /* told twice: its group has it, and so room for all that there are */
        struct group *group = group_named(groups, name);
        if (group == NULL)
            return copy_session_say(session, COPY_FULL, 0, "more than %d volume groups",
                                    GROUPS_MAX);
        if (group->node_count == 0)
            group->device = session->items[i].device;
        (void)snprintf(groups->paths[i], sizeof(groups->paths[i]), "%s", path);
        group->nodes[group->node_count++] = groups->paths[i];
    }
    return COPY_OK;
}

static enum copy_status list_volumes(struct copy_session *session, struct groups *groups,
                                     int64_t deadline_ms)
{
    const char *args[] = {groups->program,  "pvs", "--driverloaded",  "n", "--noheadings",
                          "--nameprefixes", "-o",  "pv_name,vg_name", NULL};
    enum copy_status status = run(session, args, deadline_ms);
    const char *line = NULL;
    size_t at = 0, length = 0;

    groups->count = 0;
    memset(groups->paths, 0, sizeof(groups->paths));
    while (status == COPY_OK && next_line(&session->tool_text, &at, &line, &length)) {
        char path[LINE_BYTES], name[LINE_BYTES];
        if (copy_groups_field(line, length, "LVM2_PV_NAME", path, sizeof(path)) &&
            copy_groups_field(line, length, "LVM2_VG_NAME", name, sizeof(name)) &&
            strncmp(path, "/dev/", 5) == 0 && name[0] != '\0')
            status = take_volume(session, groups, path, name);
    }
    return status;
}

/* ---- groups ---- */

static void name_group(const struct copy_session *session, uint32_t number, char *name,
                       size_t bytes)
{
    (void)snprintf(name, bytes, PREFIX "%d_%u", (int)session->starter, number);
}

static enum copy_status import(struct copy_session *session, const struct groups *groups,
                               const struct group *group, const char *name, int64_t deadline_ms)
{
    const char *args[8 + COPY_ITEMS_MAX] = {
        groups->program, "vgimportclone", "--driverloaded", "n", "--basevgname", name};

    memcpy(args + 6, group->nodes, group->node_count * sizeof(group->nodes[0]));
    args[6 + group->node_count] = NULL;
    return run(session, args, deadline_ms);
}

/* Its number is given at the kernel's start. */
static bool make_control(void)
{
    char text[4096];
    int fd = open("/proc/misc", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (fd >= 0)
        (void)close(fd);
    text[got > 0 ? got : 0] = '\0';
    const char *name = strstr(text, " device-mapper\n");
    if (name == NULL)
        return false;
    while (name > text && name[-1] != '\n')
        name--;
    unsigned long number = strtoul(name, NULL, 10);
    (void)mkdir("/dev/mapper", 0755); /* there from an earlier group */
    return mknod("/dev/mapper/control", S_IFCHR | 0600, makedev(MISC_MAJOR, (unsigned)number)) ==
               0 ||
           errno == EEXIST;
}

static enum copy_status activate(struct copy_session *session, const struct groups *groups,
                                 const char *name, int64_t deadline_ms)
{
    const char *args[] = {groups->program, "vgchange", "-ay", "-K", name, NULL};

    if (!make_control())
        return copy_session_say(session, COPY_UNREADABLE, 0,
                                "LVM (the kernel has no device-mapper)");
    return run(session, args, deadline_ms);
}

static enum copy_status probe_volumes(struct copy_session *session, const struct groups *groups,
                                      const struct group *group, const char *name,
                                      int64_t deadline_ms)
{
    static struct copy_text listed;
    const char *args[] = {groups->program,
                          "lvs",
                          "--noheadings",
                          "--nameprefixes",
                          "-o",
                          "lv_name,lv_dm_path",
                          name,
                          NULL};
    enum copy_status status = run(session, args, deadline_ms);
    const char *line = NULL;
    size_t at = 0, length = 0;

    listed = session->tool_text; /* probing has one of its own */
    while (status == COPY_OK && next_line(&listed, &at, &line, &length)) {
        char volume[LINE_BYTES], path[LINE_BYTES], where[2 * LINE_BYTES + 8];
        if (!copy_groups_field(line, length, "LVM2_LV_NAME", volume, sizeof(volume)) ||
            !copy_groups_field(line, length, "LVM2_LV_DM_PATH", path, sizeof(path)) ||
            strncmp(path, "/dev/", 5) != 0)
            continue;
        (void)snprintf(where, sizeof(where), "lvm:%s/%s", group->name, volume);
        int os_errno = copy_room_let_read(path);
        status = os_errno != 0 && os_errno != ENOENT /* an inactive one has no node */
                     ? copy_session_say(session, COPY_FAILED, os_errno, "chmod %s", path)
                     : copy_probe_item(session, group->device, path + 5, where, deadline_ms);
    }
    return status;
}

static enum copy_status take_group(struct copy_session *session, const struct groups *groups,
                                   const struct group *group, int64_t deadline_ms)
{
    char name[COPY_NAME_BYTES];

    name_group(session, session->group_count, name, sizeof(name));
    enum copy_status status = import(session, groups, group, name, deadline_ms);
    if (status != COPY_OK)
        return status;
    session->group_count++;
    status = activate(session, groups, name, deadline_ms);
    return status != COPY_OK ? status : probe_volumes(session, groups, group, name, deadline_ms);
}

enum copy_status copy_groups_find(struct copy_session *session, int64_t deadline_ms)
{
    static struct groups groups;
    uint32_t first = session->item_count, volumes = 0;
    enum copy_status status = COPY_OK;

    for (uint32_t i = 0; i < session->item_count; i++)
        volumes += session->items[i].kind == COPY_ITEM_LVM;
    if (volumes == 0)
        return COPY_OK;
    if (session->group_count > 0)
        return copy_session_say(session, COPY_BAD_STATE, 0, "it was asked before");
    if (copy_child_find(session, "lvm", groups.program, sizeof(groups.program)) == NULL)
        return COPY_NO_TOOL;
    if (!write_config())
        return copy_session_say(session, COPY_FAILED, errno, COPY_LVM_FOLDER);
    status = list_volumes(session, &groups, deadline_ms);
    for (size_t i = 0; i < groups.count && status == COPY_OK; i++)
        status = take_group(session, &groups, &groups.list[i], deadline_ms);
    if (status == COPY_OK)
        return copy_probe_tell(session, first);
    session->item_count = first;
    return status;
}

enum copy_status copy_groups_end(struct copy_session *session, int64_t deadline_ms)
{
    char program[LINE_BYTES], name[COPY_NAME_BYTES];
    const char *args[] = {program, "vgchange", "-an", name, NULL};
    enum copy_status status = COPY_OK;

    if (session->group_count == 0 || access("/dev/mapper/control", F_OK) < 0 ||
        copy_child_find(session, "lvm", program, sizeof(program)) == NULL)
        return COPY_OK; /* nothing was activated */
    while (session->group_count > 0) {
        name_group(session, --session->group_count, name, sizeof(name));
        enum copy_status one = run(session, args, deadline_ms);
        status = one == COPY_OK ? status : one;
    }
    return status;
}

/* ---- of the starter ---- */

bool copy_groups_owner(const char *name, pid_t *ret_owner)
{
    char *end = NULL;

    if (strncmp(name, PREFIX, sizeof(PREFIX) - 1) != 0)
        return false;
    errno = 0;
    long owner = strtol(name + sizeof(PREFIX) - 1, &end, 10);
    if (errno != 0 || end == name + sizeof(PREFIX) - 1 || *end != '_' || owner <= 0 ||
        owner > INT_MAX)
        return false;
    *ret_owner = (pid_t)owner;
    return true;
}

/* A number that was given anew is another program's. */
static bool is_session(pid_t pid)
{
    char path[64], name[32];

    (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);
    if (fd >= 0)
        (void)close(fd);
    name[got > 0 ? got : 0] = '\0';
    return strcmp(name, "stillpoint-hook\n") == 0;
}

static void remove_mapping(const char *name)
{
    static const char *const programs[] = {"/usr/sbin/dmsetup", "/sbin/dmsetup"};
    const char *args[] = {programs[access(programs[0], X_OK) == 0 ? 0 : 1], "remove", name, NULL};
    pid_t pid = fork();

    if (pid == 0) {
        (void)copy_child_exec(args);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* One that another stands on goes in a later round. How many were there? */
static size_t sweep_once(pid_t owner)
{
    DIR *folder = opendir("/sys/block");
    const struct dirent *entry = NULL;
    size_t found = 0;

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char path[PATH_MAX], name[LINE_BYTES];
        pid_t whose = 0;
        if (strncmp(entry->d_name, "dm-", 3) != 0)
            continue;
        (void)snprintf(path, sizeof(path), "/sys/block/%s/dm/name", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t got = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);
        if (fd >= 0)
            (void)close(fd);
        name[got > 0 ? got : 0] = '\0';
        name[strcspn(name, "\n")] = '\0';
        if (copy_groups_owner(name, &whose) && (whose == owner || !is_session(whose))) {
            remove_mapping(name);
            found++;
        }
    }
    if (folder != NULL)
        (void)closedir(folder);
    return found;
}

void copy_groups_sweep(pid_t owner)
{
    for (int i = 0; i < SWEEPS && sweep_once(owner) > 0; i++) {
    }
}
