/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/rollback_node.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/base/auto.h"
#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/point.h"
#include "agent/daemon/hook_output.h"
#include "agent/daemon/rollback_disk.h"
#include "agent/daemon/survey.h"
#include "hooks/hook_dial.h"
#include "hooks/hook_exec.h"

enum {
    START_MS = 10 * 60 * 1000, /* each hook's own timeout is shorter */
    ANSWER_GRACE_MS = 15000,   /* who holds a busy one is looked for after its deadline */
    SHOW_TICK_MS = 200,
    PLACES_MAX = EC2_DEVICES_MAX * ROLLBACK_MOUNTS_MAX,
};

/* --- services ------------------------------------------------------------------------------- */

static struct hook_chain *open_chain(struct rollback *rollback, struct err *err)
{
    struct hook_chain *chain = calloc(1, sizeof(*chain));

    if (chain == NULL) {
        (void)err_set(err, ERR_INTERNAL, 0, "out of memory");
        return NULL;
    }
    if (survey_service_hooks(rollback->work, chain, err))
        return chain;
    hook_chain_free(chain);
    free(chain);
    return NULL;
}

static void close_chain(struct rollback *rollback, struct hook_chain *chain)
{
    hook_output_log(chain, rollback->state.id);
    hook_chain_free(chain);
    free(chain);
}

static struct hook_job hook_job(const struct rollback *rollback)
{
    return (struct hook_job){rollback->state.set, "rollback"};
}

bool rollback_stop_services(struct rollback *rollback, int64_t deadline_ms, struct err *err)
{
    const struct hook_job told = hook_job(rollback);
    struct hook_chain *chain = open_chain(rollback, err);
    bool ok = chain != NULL;

    for (size_t i = 0; ok && i < chain->count; i++)
        ok = hook_exec_run(&chain->links[i].hook, HOOK_STOP, &told, "", deadline_ms,
                           &rollback->job->cancel, err);
    if (chain != NULL)
        close_chain(rollback, chain);
    return ok || err_wrap(err, "stopping the services");
}

bool rollback_start_services(struct rollback *rollback, const char *outcome, struct err *err)
{
    const struct hook_job told = hook_job(rollback);
    struct hook_chain *chain = open_chain(rollback, err);
    bool ok = chain != NULL;

    for (size_t i = chain != NULL ? chain->count : 0; i-- > 0;) {
        struct err why = ERR_INIT;
        if (hook_exec_run(&chain->links[i].hook, HOOK_START, &told, outcome,
                          clock_boot_ms() + START_MS, NULL, &why))
            continue;
        if (ok)
            *err = why;
        else
            rollback_warn(rollback, why.text, why.remedy);
        ok = false;
    }
    if (chain != NULL)
        close_chain(rollback, chain);
    return ok || err_wrap(err, "starting the services");
}

/* --- stillpoint-hook ------------------------------------------------------------------------ */

static bool exchange(const char *path, const struct mount_request *request,
                     struct mount_reply *ret_reply, struct err *err)
{
    AUTO_CLOSE int fd = -1;

    if (!hook_dial(path, &fd, err))
        return false;
    if (send(fd, request, sizeof(*request), MSG_NOSIGNAL) != (ssize_t)sizeof(*request))
        return err_set(err, ERR_HOOK, errno, "%s: sending", path);
    /* Not cancellable: what it does in the kernel it does whether we wait or not. */
    if (!deadline_poll(fd, POLLIN, request->deadline_ms + ANSWER_GRACE_MS, NULL, err))
        return err_wrap(err, "no answer from stillpoint-hook");
    ssize_t len = recv(fd, ret_reply, sizeof(*ret_reply), MSG_TRUNC);
    if (len == (ssize_t)sizeof(*ret_reply) && ret_reply->version == MOUNT_WIRE_VERSION)
        return true;
    (void)err_set(err, ERR_PROTOCOL, 0, "stillpoint-hook answers in another version");
    return err_suggest(err, "stillpointd and stillpoint-hook must be of one version");
}

/* "mariadbd (4711), loop3"; what has no room is left out. */
static void list_holders(const struct mount_reply *reply, struct buf *text)
{
    struct err ignored = ERR_INIT;
    uint32_t named = 0;

    for (; named < reply->holder_count && named < MOUNT_HOLDERS_MAX; named++) {
        const struct mount_holder *holder = &reply->holders[named];
        (void)buf_printf(text, &ignored, "%s%.*s", named ? ", " : "", MOUNT_NAME_BYTES - 1,
                         holder->name);
        if (holder->pid > 0)
            (void)buf_printf(text, &ignored, " (%d)", holder->pid);
    }
    if (named < reply->holder_count)
        (void)buf_printf(text, &ignored, " and %u more", reply->holder_count - named);
}

static bool tell_refusal(const struct mount_reply *reply, const char *path, struct err *err)
{
    static const struct {
        const char *text, *remedy;
    } words[] = {
        [MOUNT_REFUSAL_NONE] = {"refused without a reason", ""},
        [MOUNT_REFUSAL_MESSAGE] = {"the request was not understood",
                                   "stillpointd and stillpoint-hook must be of one version"},
        [MOUNT_REFUSAL_PEER] = {"we may not ask for it", "run the daemon as the user stillpoint"},
        [MOUNT_REFUSAL_ROOT] = {"it lies on the root file system's device", ""},
        [MOUNT_REFUSAL_NOT_MOUNTED] = {"it is not mounted there", ""},
        [MOUNT_REFUSAL_OCCUPIED] = {"another file system is mounted there", "unmount it by hand"},
        [MOUNT_REFUSAL_NO_DEVICE] = {"the kernel has no such block device", "see `lsblk`"},
        [MOUNT_REFUSAL_UNKNOWN] = {"how it was mounted is not known any more, and /etc/fstab does "
                                   "not say",
                                   "mount it by hand, then: stillpoint rollback"},
        [MOUNT_REFUSAL_NO_WHOLE] = {"the file system that it is a folder of is not mounted",
                                    "mount it by hand, then: stillpoint rollback"},
        [MOUNT_REFUSAL_FOLDER] = {"stillpoint-hook can't keep in mind how it is mounted",
                                  "see that " MOUNT_RECORD_FOLDER
                                  " in [paths] run is root's alone, "
                                  "or remove it"},
    };
    size_t index =
        reply->refusal < sizeof(words) / sizeof(words[0]) ? reply->refusal : MOUNT_REFUSAL_MESSAGE;

    /* What a person has to do first passes by itself, once it is done. */
    bool waits = index == MOUNT_REFUSAL_UNKNOWN || index == MOUNT_REFUSAL_NO_WHOLE;
    (void)err_set(err, waits ? ERR_NOT_FOUND : ERR_PRECONDITION, 0, "%s: %s", path,
                  words[index].text);
    return words[index].remedy[0] != '\0' && err_suggest(err, "%s", words[index].remedy);
}

bool rollback_judge_reply(const struct mount_reply *reply, enum mount_op op, const char *path,
                          struct err *err)
{
    const char *verb = op == MOUNT_MOUNT ? "mounted" : "unmounted";
    AUTO_BUF struct buf holders = BUF_INIT(ERR_TEXT_BYTES);

    switch (reply->result) {
    case MOUNT_DONE:
        return true;
    case MOUNT_BUSY:
        list_holders(reply, &holders);
        (void)err_set(err, ERR_BUSY, 0, "%s is in use by %s", path,
                      holders.len ? buf_text(&holders) : "something that can't be seen");
        return err_suggest(err,
                           "end them, or have a [hook NAME] with phases = stop, start do it "
                           "(conf.d/hooks.conf); fuser -vm %s",
                           path);
    case MOUNT_REFUSED:
        return tell_refusal(reply, path, err);
    case MOUNT_FAILED:
        (void)err_set(err, ERR_SYS, reply->os_errno, "%s can't be %s", path, verb);
        return op == MOUNT_MOUNT && err_suggest(err, "see `dmesg`; a file system that is damaged "
                                                     "needs fsck before it is mounted");
    default:
        return err_set(err, ERR_PROTOCOL, 0, "stillpoint-hook answers in another version");
    }
}

static bool ask(struct rollback *rollback, enum mount_op op, const char *path, uint32_t dev_major,
                uint32_t dev_minor, int64_t deadline_ms, struct mount_reply *ret_reply,
                struct err *err)
{
    struct mount_request request = {.version = MOUNT_WIRE_VERSION,
                                    .op = op,
                                    .deadline_ms = deadline_ms,
                                    .dev_major = dev_major,
                                    .dev_minor = dev_minor};

    if (strlen(path) >= sizeof(request.path))
        return err_set(err, ERR_LIMIT, 0, "%.80s…: longer than a path can be", path);
    memcpy(request.path, path, strlen(path));
    return exchange(rollback->work->config->hook_socket, &request, ret_reply, err);
}

/* --- unmounting ----------------------------------------------------------------------------- */

bool rollback_unmount(struct rollback *rollback, const struct rollback_plan_mount *mount,
                      int64_t deadline_ms, struct err *err)
{
    const char *path = mount->mount.path;
    struct mount_reply reply;

    if (!ask(rollback, MOUNT_UNMOUNT, path, mount->dev_major, mount->dev_minor, deadline_ms, &reply,
             err))
        return err_wrap(err, "unmount %s", path);
    if (reply.result == MOUNT_REFUSED && reply.refusal == MOUNT_REFUSAL_NOT_MOUNTED)
        return true; /* a stop hook has done it, or we before */
    return rollback_judge_reply(&reply, MOUNT_UNMOUNT, path, err);
}

static struct device_query query_of(const struct rollback *rollback,
                                    struct device_attached *attached, size_t count)
{
    return (struct device_query){.sysfs = "/sys",
                                 .map = &rollback->work->device_map,
                                 .attached = attached,
                                 .attached_count = count};
}

/* The map is read anew each time: it may be kept by hand, or by a test. */
static bool find_disk(struct rollback *rollback, const char *volume_id, uint32_t partition,
                      uint32_t *ret_major, uint32_t *ret_minor, struct err *err)
{
    struct device_attached attached[EC2_DEVICES_MAX];
    size_t count = 0;

    for (size_t i = 0; i < rollback->count && count < EC2_DEVICES_MAX; i++) {
        if (rollback->volumes[i].attached)
            attached[count++] =
                (struct device_attached){.volume_id = rollback->volumes[i].id,
                                         .device_name = rollback->volumes[i].part.device};
    }
    devices_map_free(&rollback->work->device_map);
    if (!devices_map_load(rollback->work->config->devices.map, &rollback->work->device_map, err))
        return false;
    const struct device_query query = query_of(rollback, attached, count);
    return rollback_disk_find(&query, volume_id, partition, ret_major, ret_minor, err);
}

bool rollback_disk_is_free(struct rollback *rollback, const char *volume_id, int64_t deadline_ms,
                           struct err *err)
{
    struct err why = ERR_INIT;
    struct mount_reply reply;
    uint32_t dev_major, dev_minor;

    if (!find_disk(rollback, volume_id, 0, &dev_major, &dev_minor, &why)) {
        if (why.kind == ERR_NOT_FOUND)
            return true;
        *err = why;
        return false;
    }
    if (!ask(rollback, MOUNT_RELEASED, "", dev_major, dev_minor, deadline_ms, &reply, err))
        return false;
    if (reply.result == MOUNT_REFUSED && reply.refusal == MOUNT_REFUSAL_NO_DEVICE)
        return true;
    return rollback_judge_reply(&reply, MOUNT_RELEASED, volume_id, err);
}

/* --- mounting ------------------------------------------------------------------------------- */

static int shortest_first(const void *a, const void *b)
{
    const struct rollback_place *one = a, *other = b;
    size_t len = strlen(one->mount.path), other_len = strlen(other->mount.path);

    return len != other_len ? (len > other_len) - (len < other_len)
                            : strcmp(one->mount.path, other->mount.path);
}

/*   ret_later  it needs another that is not mounted yet */
static bool mount_one(struct rollback *rollback, const struct rollback_place *place,
                      int64_t deadline_ms, bool *ret_later, struct err *err)
{
    uint32_t dev_major = 0, dev_minor = 0;
    struct mount_reply reply;

    *ret_later = false;
    for (;;) {
        struct err why = ERR_INIT;
        if (find_disk(rollback, place->volume_id, place->mount.partition, &dev_major, &dev_minor,
                      &why))
            break;
        if (why.kind != ERR_NOT_FOUND ||
            !deadline_sleep(clock_boot_ms() + SHOW_TICK_MS, deadline_ms, NULL, err)) {
            *err = why;
            return err_wrap(err, "mount %s", place->mount.path);
        }
    }
    if (!ask(rollback, MOUNT_MOUNT, place->mount.path, dev_major, dev_minor, deadline_ms, &reply,
             err))
        return err_wrap(err, "mount %s", place->mount.path);
    *ret_later = reply.result == MOUNT_REFUSED && reply.refusal == MOUNT_REFUSAL_NO_WHOLE;
    return rollback_judge_reply(&reply, MOUNT_MOUNT, place->mount.path, err);
}

bool rollback_mount_all(struct rollback *rollback, struct rollback_place *places, size_t count,
                        int64_t deadline_ms, struct err *err)
{
    bool done[PLACES_MAX] = {false}, ok, again;

    if (count > PLACES_MAX)
        return err_set(err, ERR_LIMIT, 0, "more than %d mounts", PLACES_MAX);
    if (count > 0)
        qsort(places, count, sizeof(*places), shortest_first);
    /* A folder of one (a bind mount) may lie above the place where the whole of it belongs. */
    do {
        bool progress = false, waits = false;
        ok = true;
        for (size_t i = 0; i < count; i++) {
            struct err why = ERR_INIT;
            bool later = false;
            if (done[i])
                continue;
            done[i] = mount_one(rollback, &places[i], deadline_ms, &later, &why);
            progress = progress || done[i];
            waits = waits || later;
            if (!done[i] && ok)
                *err = why;
            ok = ok && done[i];
        }
        again = !ok && progress && waits;
    } while (again);
    return ok;
}
