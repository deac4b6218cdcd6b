/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_copy_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/guard/guard_wire.h" /* the manifest's name */
#include "agent/hookrun/hookrun_copy_child.h"
#include "agent/hookrun/hookrun_copy_path.h"

#define LOOK_AT "/run/look"

enum { UNMOUNT_TRIES = 50, UNMOUNT_PAUSE_NS = 50 * 1000 * 1000 };

/* What a type wants. A filesystem with errors=panic in it must not take the node down; XFS has the
 * same UUID mounted already, the node's own. */
static const struct type {
    const char *name;
    const char *data;      /* always */
    const char *no_replay; /* so that looking writes nothing */
    const char *checker[4];
} types[] = {
    {"ext2", "errors=remount-ro", "", {"e2fsck", "-fn"}},
    {"ext3", "errors=remount-ro", "noload,", {"e2fsck", "-fn"}},
    {"ext4", "errors=remount-ro", "noload,", {"e2fsck", "-fn"}},
    {"xfs", "nouuid", "norecovery,", {"xfs_repair", "-n"}},
    {"btrfs", "skip_balance", "rescue=nologreplay,", {"btrfs", "check", "--readonly"}},
    {"vfat", "errors=remount-ro", "", {"fsck.vfat", "-n"}},
};

static const struct type *type_of(const char *name)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

/* ---- in a child ---- */

struct job {
    const struct type *type;
    char node[3 * COPY_NAME_BYTES];
    char at[PATH_MAX];
    unsigned long flags;
    bool replay;
    bool manifest; /* write it to stdout */
};

static int mount_it(const struct job *job, const char *at)
{
    char data[128];

    (void)snprintf(data, sizeof(data), "%s%s", job->replay ? "" : job->type->no_replay,
                   job->type->data);
    return mount(job->node, at, job->type->name, job->flags | MS_NOSUID | MS_NODEV, data) == 0
               ? 0
               : errno;
}

static int write_out(int fd)
{
    char bytes[4096];
    size_t room = COPY_TEXT_BYTES;
    ssize_t got;

    while ((got = read(fd, bytes, sizeof(bytes))) > 0) {
        if ((size_t)got > room)
            return EFBIG;
        if (write(STDOUT_FILENO, bytes, (size_t)got) != got)
            return EIO;
        room -= (size_t)got;
    }
    return got < 0 ? errno : 0;
}

static int write_manifest(const char *at)
{
    char path[PATH_MAX];
    struct stat st;
    int os_errno = 0;

    (void)snprintf(path, sizeof(path), "%s/" GUARD_MANIFEST_NAME, at);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ELOOP ? ENOENT : errno;
    if (fstat(fd, &st) < 0)
        os_errno = errno;
    else if (!S_ISREG(st.st_mode))
        os_errno = ENOENT;
    else
        os_errno = write_out(fd);
    (void)close(fd);
    return os_errno;
}

/* The kernel may take a moment to drop the last file of a process that has just ended. */
static int unmount(void *context)
{
    const struct timespec pause = {0, UNMOUNT_PAUSE_NS};
    int os_errno = EBUSY;

    for (int i = 0; i < UNMOUNT_TRIES && os_errno == EBUSY; i++) {
        if (i > 0)
            (void)nanosleep(&pause, NULL);
        os_errno = umount2(context, 0) == 0 ? 0 : errno;
    }
    return os_errno;
}

/* Mounts, and unmounts again at once. */
static int visit(void *context)
{
    const struct job *job = context;

    if (mkdir(LOOK_AT, 0700) < 0 && errno != EEXIST)
        return errno;
    int os_errno = mount_it(job, LOOK_AT);
    if (os_errno != 0)
        return os_errno == ENOENT ? ENXIO : os_errno; /* ENOENT is for the manifest */
    if (job->manifest)
        os_errno = write_manifest(LOOK_AT);
    char at[] = LOOK_AT;
    int unmounted = unmount(at);
    return os_errno != 0 ? os_errno : unmounted;
}

static int stay(void *context)
{
    const struct job *job = context;

    return mount_it(job, job->at);
}

/* ---- LOOK, CHECK ---- */

static enum copy_status find_item(struct copy_session *session, struct job *job)
{
    const struct copy_msg_item *item = &session->request.item;

    if (item->item >= session->item_count)
        return copy_session_say(session, COPY_BAD_ARGUMENT, 0, "there is no item %u", item->item);
    if (session->places[item->item].mounted)
        return copy_session_say(session, COPY_BAD_STATE, 0, "item %u is mounted", item->item);
    *job = (struct job){.type = type_of(session->items[item->item].type), .flags = MS_RDONLY};
    if (session->items[item->item].kind != COPY_ITEM_FILESYSTEM || job->type == NULL)
        return copy_session_say(session, COPY_UNREADABLE, 0, "%s", session->items[item->item].type);
    (void)snprintf(job->node, sizeof(job->node), "/dev/%s", session->places[item->item].node);
    return COPY_OK;
}

static enum copy_status cannot_mount(struct copy_session *session)
{
    return copy_session_say(session, COPY_FAILED, session->tool.os_errno, "mount");
}

enum copy_status copy_mount_look(struct copy_session *session, int64_t deadline_ms)
{
    static struct job job;
    enum copy_status status = find_item(session, &job);

    if (status != COPY_OK)
        return status;
    job.manifest = true;
    job.replay = (session->request.item.flags & (uint32_t)COPY_REPLAY) != 0;
    status = copy_child_call(session, visit, &job, deadline_ms);
    if (status != COPY_OK)
        return status;
    if (session->tool.os_errno == ENOENT)
        return copy_session_say(session, COPY_NO_FILE, 0, "%s", GUARD_MANIFEST_NAME);
    if (session->tool.os_errno == EFBIG)
        return copy_session_say(session, COPY_FAILED, EFBIG, "%s", GUARD_MANIFEST_NAME);
    return session->tool.os_errno != 0 ? cannot_mount(session)
                                       : copy_session_tell(session, COPY_OK, &session->tool);
}

enum copy_status copy_mount_check(struct copy_session *session, int64_t deadline_ms)
{
    static struct job job;
    char program[PATH_MAX];
    const char *args[6] = {program};
    enum copy_status status = find_item(session, &job);

    if (status != COPY_OK)
        return status;
    if (copy_child_find(session, job.type->checker[0], program, sizeof(program)) == NULL)
        return COPY_NO_TOOL;
    if ((session->request.item.flags & (uint32_t)COPY_REPLAY) != 0) {
        job.flags = 0;
        job.replay = true;
        status = copy_child_call(session, visit, &job, deadline_ms);
        if (status != COPY_OK || session->tool.os_errno != 0)
            return status != COPY_OK ? status : cannot_mount(session);
    }
    size_t count = 1;
    while (job.type->checker[count] != NULL) {
        args[count] = job.type->checker[count];
        count++;
    }
    args[count] = job.node;
    status = copy_child_read(session, args, deadline_ms);
    if (status != COPY_OK)
        return status;
    return copy_session_tell(
        session, copy_child_succeeded(&session->tool) ? COPY_OK : COPY_TOOL_FAILED, &session->tool);
}

/* ---- MOUNT ---- */

/* Does PATH lie where root's programs are that the session runs, what they read of how to run, or
 * what the session has made for itself? A copy's own / is a tree beside these. */
static bool is_of_the_session(const char *path)
{
    static const char *const folders[] = {"/bin", "/dev",  "/etc",  "/lib", "/lib32", "/lib64",
                                          "/run", "/proc", "/sbin", "/sys", "/usr",   "/libx32"};
    static const char local[] = "/usr/local/"; /* servers that came as an archive live there */

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        size_t length = strlen(folders[i]);
        if (strncmp(path, folders[i], length) == 0 && (path[length] == '\0' || path[length] == '/'))
            return strncmp(path, local, sizeof(local) - 1) != 0;
    }
    return false;
}

/* A tmpfs over PATH, a folder of the node's, which is not to be changed. What lies there is not
 * seen any more. */
static int cover(const char *path)
{
    if (path[0] == '\0' || (is_of_the_session(path) && strcmp(path, "/usr/local") != 0))
        return EROFS;
    return mount("stillpoint", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                 "mode=755,size=1m") == 0
               ? 0
               : errno;
}

/* Makes the folder AT, of which DEPTH bytes are there already. */
static int make_place(const char *at, size_t depth)
{
    char path[PATH_MAX];
    bool covered = false;

    while (at[depth] != '\0') {
        size_t next = depth + 1 + strcspn(at + depth + 1, "/");
        (void)snprintf(path, sizeof(path), "%.*s", (int)next, at);
        if (mkdir(path, 0755) == 0 || errno == EEXIST) {
            depth = next;
            continue;
        }
        if (errno != EROFS || covered)
            return errno;
        covered = true;
        path[depth] = '\0';
        int os_errno = cover(path);
        if (os_errno != 0)
            return os_errno;
    }
    return 0;
}

/* How much of the path AT (the session's) is there. */
static size_t existing_depth(const char *at)
{
    char path[PATH_MAX];
    struct stat st;
    size_t depth = 0;

    while (at[depth] != '\0') {
        size_t next = depth + 1 + strcspn(at + depth + 1, "/");
        (void)snprintf(path, sizeof(path), "%.*s", (int)next, at);
        if (lstat(path, &st) < 0)
            break;
        depth = next;
    }
    return depth;
}

/* The path AT, which exists, has to be what it seems. */
static enum copy_status refuse_links(struct copy_session *session, const char *at,
                                     int64_t deadline_ms)
{
    static char real[PATH_MAX];
    enum copy_status status = copy_path_follow(session, at, real, sizeof(real), deadline_ms);

    return status == COPY_OK && strcmp(real, at) != 0
               ? copy_session_say(session, COPY_FAILED, ELOOP, "%s", at)
               : status;
}

/* Makes the mount point AT, PLACE as the session sees it, of which DEPTH bytes are there. */
static enum copy_status add_place(struct copy_session *session, const char *at, const char *place,
                                  size_t depth, int64_t deadline_ms)
{
    size_t in_tree = session->tree ? strlen(COPY_TREE) : 0;
    char parent[PATH_MAX];

    (void)snprintf(parent, sizeof(parent), "%.*s", (int)(depth > in_tree ? depth - in_tree : 1),
                   depth > in_tree ? at : "/");
    if (copy_path_mount(session, parent) != NULL) /* the copy itself lacks it */
        return copy_session_say(session, COPY_NO_FILE, 0, "%s", at);
    enum copy_status status = refuse_links(session, parent, deadline_ms); /* mkdir, mount follow */
    int os_errno = status == COPY_OK ? make_place(place, depth) : 0;
    return os_errno != 0 ? copy_session_say(session, COPY_FAILED, os_errno, "mkdir %s", at)
                         : status;
}

/* Sees to it that the mount point is there, a folder, and no link leads elsewhere. */
static enum copy_status prepare_place(struct copy_session *session, const char *at, char *place,
                                      int64_t deadline_ms)
{
    enum copy_status status = COPY_OK;

    if (!copy_path_seen(session, at, place, PATH_MAX))
        return copy_session_say(session, COPY_BAD_ARGUMENT, 0, "%s", at);
    if (!session->tree && is_of_the_session(at)) /* AT may be the word of whoever made the copy */
        return copy_session_say(session, COPY_NEEDED, 0, "%s", at);
    size_t depth = existing_depth(place);
    if (place[depth] != '\0')
        status = add_place(session, at, place, depth, deadline_ms);
    return status == COPY_OK ? refuse_links(session, at, deadline_ms) : status;
}

/* Whose paths the copy's are: its own tree's where it has a root folder or only files are wanted.
 */
static enum copy_status choose_tree(struct copy_session *session, const char *at)
{
    bool is_root = at[1] == '\0';

    if (is_root && session->mount_count > 0)
        return copy_session_say(session, COPY_BAD_STATE, 0, "/ has to be mounted first");
    if (session->mount_count == 0)
        session->tree = is_root || session->purpose == COPY_FILES;
    return COPY_OK;
}

static bool is_place_taken(const struct copy_session *session, const char *at)
{
    for (uint32_t i = 0; i < session->mount_count; i++)
        if (strcmp(session->mounts[i].at, at) == 0)
            return true;
    return false;
}

enum copy_status copy_mount_add(struct copy_session *session, int64_t deadline_ms)
{
    static struct job job;
    const struct copy_msg_item *item = &session->request.item;
    struct copy_mounted *slot = &session->mounts[session->mount_count];
    bool writable = (item->flags & (uint32_t)COPY_WRITABLE) != 0;
    enum copy_status status = find_item(session, &job);

    if (session->mount_count == COPY_MOUNTS_MAX)
        return copy_session_say(session, COPY_FULL, 0, "more than %d mounts", COPY_MOUNTS_MAX);
    if (status == COPY_OK && is_place_taken(session, item->at))
        return copy_session_say(session, COPY_BAD_STATE, 0, "%s is mounted", item->at);
    if (status == COPY_OK)
        status = choose_tree(session, item->at);
    if (status == COPY_OK)
        status = prepare_place(session, item->at, job.at, deadline_ms);
    if (status != COPY_OK)
        return status;
    job.replay = true;
    /* The copy's own programs run from its tree; nothing of another copy's does. */
    job.flags = (writable ? 0ul : MS_RDONLY) |
                (session->tree && session->purpose == COPY_VERIFY ? 0ul : MS_NOEXEC);
    status = copy_child_call(session, stay, &job, deadline_ms);
    if (status != COPY_OK)
        return status;
    if (session->tool.os_errno != 0)
        return cannot_mount(session);
    slot->item = item->item;
    slot->writable = writable;
    memcpy(slot->at, item->at, sizeof(slot->at));
    session->places[item->item].mounted = true;
    session->mount_count++;
    return COPY_OK;
}

enum copy_status copy_mount_end(struct copy_session *session, int64_t deadline_ms)
{
    static char path[PATH_MAX];
    enum copy_status status = COPY_OK;

    while (session->mount_count > 0) {
        const struct copy_mounted *last = &session->mounts[--session->mount_count];
        session->places[last->item].mounted = false;
        if (!copy_path_seen(session, last->at, path, sizeof(path)) ||
            copy_child_call(session, unmount, path, deadline_ms) != COPY_OK ||
            session->tool.os_errno != 0)
            status = copy_session_say(session, COPY_FAILED, session->tool.os_errno, "umount %s",
                                      last->at);
    }
    return status;
}
