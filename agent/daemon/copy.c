/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/daemon/copy_words.h"
#include "hooks/hook_dial.h"

/* Root ends what is late at the deadline and then tells us: we wait so much longer. */
enum { REPLY_GRACE_MS = 5000 };

struct copy {
    int fd;        /* -1: over */
    int folder_fd; /* of the server's socket; then the socket itself, O_PATH; -1 */
    uint64_t serial;
    uint32_t item_count;
    struct copy_item items[COPY_ITEMS_MAX];
    union copy_request request;
    struct copy_reply reply;
};

/* --- one exchange --------------------------------------------------------------------------- */

static void hang_up(struct copy *copy)
{
    if (copy->fd >= 0)
        (void)close(copy->fd);
    copy->fd = -1;
}

static bool broken(struct copy *copy, struct err *err)
{
    hang_up(copy);
    (void)err_wrap(err, "stillpoint-hook");
    return err->kind != ERR_CANCELLED && /* that was somebody's wish */
           err_suggest(err, "see `journalctl -u 'stillpoint-hook@*'`");
}

static bool is_sound(const struct copy *copy, size_t bytes)
{
    const struct copy_reply *reply = &copy->reply;

    return bytes >= COPY_REPLY_HEAD_BYTES && reply->version == COPY_WIRE_VERSION &&
           bytes == COPY_REPLY_HEAD_BYTES + (size_t)reply->data_bytes &&
           reply->status < COPY_STATUS_COUNT &&
           ((reply->op == copy->request.head.op && reply->serial == copy->serial) ||
            reply->status == COPY_BAD_MESSAGE || reply->status == COPY_PEER) &&
           (reply->status != COPY_MORE || reply->op == COPY_OP_FILES) &&
           (reply->item_count == 0 ||
            reply->item_count * sizeof(struct copy_item) == reply->data_bytes);
}

/* One message in, and the descriptor if one came. */
static bool receive(struct copy *copy, struct err *err)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {&copy->reply, sizeof(copy->reply)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};

    ssize_t got = recvmsg(copy->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0)
        return err_set(err, ERR_HOOK, errno, "receiving");
    if (got == 0)
        return err_set(err, ERR_HOOK, 0, "it went away before it answered");
    struct cmsghdr *first = CMSG_FIRSTHDR(&message);
    if (first != NULL && first->cmsg_level == SOL_SOCKET && first->cmsg_type == SCM_RIGHTS) {
        if (copy->folder_fd >= 0)
            (void)close(copy->folder_fd);
        memcpy(&copy->folder_fd, CMSG_DATA(first), sizeof(int));
    }
    if (!is_sound(copy, (size_t)got))
        return err_set(err, ERR_PROTOCOL, 0, "it answers in another version");
    return true;
}

/* Sends copy->request (SIZE bytes) and waits for an answer in copy->reply, whatever it says. */
static bool exchange(struct copy *copy, enum copy_op op, size_t size, int64_t deadline_ms,
                     const struct cancel *cancel, struct err *err)
{
    if (copy->fd < 0)
        return err_set(err, ERR_HOOK, 0, "the session with stillpoint-hook is over");
    copy->request.head =
        (struct copy_request_head){COPY_WIRE_VERSION, op, ++copy->serial, deadline_ms};
    memset(&copy->reply, 0, COPY_REPLY_HEAD_BYTES);
    if (send(copy->fd, &copy->request, size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size) {
        (void)err_set(err, ERR_HOOK, errno, "sending");
        return broken(copy, err);
    }
    return (deadline_poll(copy->fd, POLLIN, deadline_ms + REPLY_GRACE_MS, cancel, err) &&
            receive(copy, err)) ||
           broken(copy, err);
}

/* --- asking --------------------------------------------------------------------------------- */

/* An exchange whose only good end is COPY_OK. */
static bool ask(struct copy *copy, enum copy_op op, size_t size, const char *what,
                int64_t deadline_ms, const struct cancel *cancel, struct err *err)
{
    if (!exchange(copy, op, size, deadline_ms, cancel, err))
        return err_wrap(err, "%s", what);
    return copy->reply.status == COPY_OK || copy_words_refused(&copy->reply, what, err);
}

/* False: it does not fit. */
static bool put(char *field, size_t size, const char *text, struct err *err)
{
    size_t len = strlen(text);

    if (len >= size)
        return err_set(err, ERR_LIMIT, 0, "%.40s…: longer than a session takes (%zu)", text,
                       size - 1);
    memset(field, 0, size);
    memcpy(field, text, len + 1);
    return true;
}

#define PUT(array, text, err) put((array), sizeof(array), (text), (err))

/* --- open and close ------------------------------------------------------------------------- */

/* With what OPEN and ASK have in common, and connected. NULL: ERR. */
static struct copy *dial(const struct copy_config *config, struct err *err)
{
    struct copy *copy = calloc(1, sizeof(*copy));

    if (copy == NULL) {
        (void)err_set(err, ERR_INTERNAL, 0, "out of memory");
        return NULL;
    }
    copy->fd = copy->folder_fd = -1;
    struct copy_msg_open *open = &copy->request.open;
    if (PUT(open->id, config->backup, err) &&
        PUT(open->destination, config->destination != NULL ? config->destination : "", err) &&
        hook_dial(config->socket, &copy->fd, err))
        return copy;
    copy_free(copy);
    return NULL;
}

bool copy_open(const struct copy_config *config, int64_t deadline_ms, const struct cancel *cancel,
               struct copy **ret_copy, struct err *err)
{
    struct copy *copy = dial(config, err);

    if (copy == NULL)
        return false;
    /* the message's deadline is the session's; ours is for the answer */
    struct copy_msg_open *open = &copy->request.open;
    copy->serial = 1;
    open->head =
        (struct copy_request_head){COPY_WIRE_VERSION, COPY_OP_OPEN, copy->serial, config->end_ms};
    open->purpose = config->purpose;
    bool opened = (send(copy->fd, open, sizeof(*open), MSG_NOSIGNAL) == (ssize_t)sizeof(*open) ||
                   err_set(err, ERR_HOOK, errno, "%s: sending", config->socket)) &&
                  deadline_poll(copy->fd, POLLIN, deadline_ms, cancel, err) && receive(copy, err) &&
                  (copy->reply.status == COPY_OK ||
                   copy_words_refused(&copy->reply, "opening a session", err));
    if (!opened) {
        copy_free(copy);
        return false;
    }
    *ret_copy = copy;
    return true;
}

bool copy_ask(const struct copy_config *config, bool preview, int64_t deadline_ms,
              const struct cancel *cancel, struct err *err)
{
    struct copy *copy = dial(config, err);

    if (copy == NULL)
        return err_wrap(err, "stillpoint-hook");
    bool has_folder = config->destination != NULL;
    copy->request.open.flags = preview ? COPY_PREVIEW : 0;
    bool answered =
        exchange(copy, COPY_OP_ASK, sizeof(copy->request.open), deadline_ms, cancel, err);
    bool ok =
        answered &&
        (copy->reply.status == COPY_OK ||
         copy_words_refused(&copy->reply, has_folder ? "the destination" : "stillpoint-hook", err));
    copy_free(copy);
    return ok || (answered && has_folder && err_suggest(err, "give --to another folder"));
}

/* Whoever had the devices is gone when the connection ends. */
static bool wait_end(struct copy *copy, int64_t deadline_ms, struct err *err)
{
    char byte;

    for (;;) {
        if (!deadline_poll(copy->fd, POLLIN, deadline_ms, NULL, err))
            return false;
        ssize_t got = recv(copy->fd, &byte, 1, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            return true;
        if (got < 0 && errno != EAGAIN)
            return err_set(err, ERR_HOOK, errno, "receiving");
    }
}

bool copy_close(struct copy *copy, int64_t deadline_ms, struct err *err)
{
    bool was_open = copy->fd >= 0;
    bool closed = was_open &&
                  ask(copy, COPY_OP_CLOSE, sizeof(copy->request.plain), "closing the session",
                      deadline_ms, NULL, err) &&
                  wait_end(copy, deadline_ms, err);

    if (copy->folder_fd >= 0)
        (void)close(copy->folder_fd);
    copy->folder_fd = -1;
    hang_up(copy);
    return closed || !was_open;
}

void copy_free(struct copy *copy)
{
    if (copy == NULL)
        return;
    hang_up(copy);
    if (copy->folder_fd >= 0)
        (void)close(copy->folder_fd);
    free(copy);
}

/* --- devices -------------------------------------------------------------------------------- */

static void clean(char *text, size_t size)
{
    text[size - 1] = '\0';
    for (; *text != '\0'; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

static bool take_items(struct copy *copy, struct err *err)
{
    const struct copy_reply *reply = &copy->reply;

    if (reply->item_count > COPY_ITEMS_MAX - copy->item_count)
        return err_set(err, ERR_PROTOCOL, 0, "stillpoint-hook tells of too many items");
    for (uint32_t i = 0; i < reply->item_count; i++) {
        struct copy_item *item = &copy->items[copy->item_count++];
        *item = reply->data.items[i];
        clean(item->where, sizeof(item->where));
        clean(item->type, sizeof(item->type));
        clean(item->uuid, sizeof(item->uuid));
        clean(item->label, sizeof(item->label));
    }
    return true;
}

bool copy_add_device(struct copy *copy, const struct copy_device *device, int64_t deadline_ms,
                     const struct cancel *cancel, struct err *err)
{
    struct copy_msg_add *add = &copy->request.add;

    add->dev_major = device->dev_major;
    add->dev_minor = device->dev_minor;
    return PUT(add->name, device->name, err) && PUT(add->volume, device->volume, err) &&
           ask(copy, COPY_OP_ADD, sizeof(*add), device->volume, deadline_ms, cancel, err) &&
           take_items(copy, err);
}

bool copy_find_groups(struct copy *copy, int64_t deadline_ms, const struct cancel *cancel,
                      struct err *err)
{
    return ask(copy, COPY_OP_GROUPS, sizeof(copy->request.plain), "volume groups", deadline_ms,
               cancel, err) &&
           take_items(copy, err);
}

const struct copy_item *copy_items(const struct copy *copy, size_t *ret_count)
{
    *ret_count = copy->item_count;
    return copy->items;
}

/* --- filesystems ---------------------------------------------------------------------------- */

static bool put_item(struct copy *copy, uint32_t item, uint32_t flags, const char *at,
                     struct err *err)
{
    if (item >= copy->item_count)
        return err_set(err, ERR_USAGE, 0, "there is no item %u in the session", item);
    copy->request.item.item = item;
    copy->request.item.flags = flags;
    return PUT(copy->request.item.at, at, err);
}

/* "p1 (ext4)" for messages; in WORDS. */
static const char *name_item(const struct copy *copy, uint32_t item, char *words, size_t size)
{
    const struct copy_item *one = &copy->items[item];

    (void)snprintf(words, size, "%s (%s)", one->where[0] != '\0' ? one->where : "disk",
                   one->type[0] != '\0' ? one->type : "empty");
    return words;
}

bool copy_look(struct copy *copy, uint32_t item, uint32_t flags, int64_t deadline_ms,
               const struct cancel *cancel, struct buf *ret_text, struct err *err)
{
    char name[2 * COPY_NAME_BYTES + 8];

    return put_item(copy, item, flags, "", err) &&
           ask(copy, COPY_OP_LOOK, sizeof(copy->request.item),
               name_item(copy, item, name, sizeof(name)), deadline_ms, cancel, err) &&
           buf_add(ret_text, copy->reply.data.text, copy->reply.data_bytes, err);
}

bool copy_check(struct copy *copy, uint32_t item, uint32_t flags, int64_t deadline_ms,
                const struct cancel *cancel, struct copy_check *ret_check, struct err *err)
{
    char name[2 * COPY_NAME_BYTES + 8];
    const struct copy_reply *reply = &copy->reply;

    if (!put_item(copy, item, flags, "", err))
        return false;
    bool clean_one = ask(copy, COPY_OP_CHECK, sizeof(copy->request.item),
                         name_item(copy, item, name, sizeof(name)), deadline_ms, cancel, err);
    if (!clean_one && (copy->fd < 0 || reply->status != COPY_TOOL_FAILED || reply->signal != 0))
        return false;
    ret_check->clean = clean_one;
    ret_check->exit_code = reply->code;
    (void)copy_words_last(reply->data.text, reply->data_bytes, ret_check->text,
                          sizeof(ret_check->text));
    return true;
}

bool copy_mount(struct copy *copy, uint32_t item, const char *at, uint32_t flags,
                int64_t deadline_ms, const struct cancel *cancel, struct err *err)
{
    if (!put_item(copy, item, flags, at, err))
        return false;
    if (ask(copy, COPY_OP_MOUNT, sizeof(copy->request.item), at, deadline_ms, cancel, err))
        return true;
    if (err->kind == ERR_SYS || err->kind == ERR_NOT_FOUND)
        err->kind = ERR_PRECONDITION; /* the copy is not as it should be */
    return false;
}

/* --- the server ----------------------------------------------------------------------------- */

/* PATH without the slashes that servers end their folders with; as lines, each. */
static bool put_lines(char *field, size_t size, const char *text, struct err *err)
{
    size_t out = 0;

    if (!put(field, size, text, err))
        return false;
    for (const char *at = text; *at != '\0'; at++) {
        bool ends = at[1] == '\n' || at[1] == '\0' || at[1] == '/';
        bool is_root = at == text || at[-1] == '=';
        if (*at != '/' || !ends || is_root)
            field[out++] = *at;
    }
    memset(field + out, 0, size - out);
    return true;
}

/* Its folder is the server's, which may mean harm: a link in its place would lead to a server of
 * the node's own, now or when we dial. So the socket that is there now, in place of the folder. */
static bool pin_socket(struct copy *copy, struct err *err)
{
    struct stat st;

    if (copy->folder_fd < 0)
        return err_set(err, ERR_PROTOCOL, 0, "stillpoint-hook passed no socket on");
    int fd = openat(copy->folder_fd, COPY_SOCKET_NAME, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int os_errno = errno;
    (void)close(copy->folder_fd);
    copy->folder_fd = fd;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode))
        return err_set(err, ERR_PROTOCOL, fd < 0 ? os_errno : 0,
                       "the server on the copy says that it is ready, and has no socket");
    return true;
}

bool copy_list_programs(struct copy *copy, int64_t deadline_ms, const struct cancel *cancel,
                        struct buf *ret_text, struct err *err)
{
    return ask(copy, COPY_OP_PROGRAMS, sizeof(copy->request.plain), "server", deadline_ms, cancel,
               err) &&
           buf_add(ret_text, copy->reply.data.text, copy->reply.data_bytes, err);
}

bool copy_serve(struct copy *copy, const struct copy_server *server, int64_t deadline_ms,
                const struct cancel *cancel, struct copy_serving *ret_serving, struct buf *ret_log,
                struct err *err)
{
    struct copy_msg_serve *serve = &copy->request.serve;
    const struct copy_reply *reply = &copy->reply;
    struct copy_serving serving = {.exit_code = -1};

    serve->memory_bytes = server->memory_bytes;
    if (!put_lines(serve->datadir, sizeof(serve->datadir), server->datadir, err) ||
        !PUT(serve->program, server->program, err) ||
        !put_lines(serve->settings, sizeof(serve->settings),
                   server->settings != NULL ? server->settings : "", err))
        return false;
    bool ready = ask(copy, COPY_OP_SERVE, sizeof(*serve), "server", deadline_ms, cancel, err);
    if (!ready && (copy->fd < 0 ||
                   (reply->status != COPY_SERVER_ENDED && reply->status != COPY_SERVER_LATE))) {
        if (err->kind == ERR_NOT_FOUND)
            err->kind = ERR_PRECONDITION;
        return false;
    }
    if (!buf_add(ret_log, reply->data.text, reply->data_bytes, err))
        return false;
    serving.ready = ready;
    serving.recovery_us = reply->took_us;
    if (ready) {
        if (!pin_socket(copy, err))
            return false;
        (void)snprintf(serving.socket, sizeof(serving.socket), "/proc/self/fd/%d", copy->folder_fd);
    } else {
        serving.exit_code = reply->code;
        serving.signal = reply->signal;
    }
    *ret_serving = serving;
    return true;
}

bool copy_stop(struct copy *copy, int64_t deadline_ms, const struct cancel *cancel,
               struct copy_stopped *ret_stopped, struct buf *ret_log, struct err *err)
{
    const struct copy_reply *reply = &copy->reply;
    bool asked =
        ask(copy, COPY_OP_STOP, sizeof(copy->request.plain), "server", deadline_ms, cancel, err);

    if (!asked && (copy->fd < 0 || reply->status != COPY_SERVER_ENDED))
        return false;
    if (!buf_add(ret_log, reply->data.text, reply->data_bytes, err))
        return false;
    if (copy->folder_fd >= 0)
        (void)close(copy->folder_fd);
    copy->folder_fd = -1;
    *ret_stopped = (struct copy_stopped){!asked, reply->code, reply->signal};
    return true;
}

/* --- files ---------------------------------------------------------------------------------- */

static bool put_paths(struct copy *copy, const char *const *paths, size_t count, struct err *err)
{
    struct copy_msg_files *files = &copy->request.files;

    memset(files, 0, sizeof(*files));
    for (size_t i = 0; i < count; i++) {
        size_t bytes = strlen(paths[i]) + 1;
        if (paths[i][0] != '/')
            return err_set(err, ERR_USAGE, 0, "%s: not an absolute path", paths[i]);
        if (bytes > sizeof(files->paths) - files->paths_bytes)
            return err_set(err, ERR_LIMIT, 0, "more paths than a session takes (%d bytes)",
                           COPY_PATHS_BYTES);
        memcpy(files->paths + files->paths_bytes, paths[i], bytes);
        files->paths_bytes += (uint32_t)bytes;
    }
    return count > 0 || err_set(err, ERR_USAGE, 0, "no path is named");
}

bool copy_files(struct copy *copy, const char *const *paths, size_t count,
                copy_progress_fn *progress, void *context, int64_t deadline_ms,
                const struct cancel *cancel, struct copy_progress *ret_done, struct err *err)
{
    if (!put_paths(copy, paths, count, err) ||
        !exchange(copy, COPY_OP_FILES, sizeof(copy->request.files), deadline_ms, cancel, err))
        return err_wrap(err, "files");
    while (copy->reply.status == COPY_MORE) {
        if (progress != NULL)
            progress(context, &copy->reply.progress);
        if (!deadline_poll(copy->fd, POLLIN, deadline_ms + REPLY_GRACE_MS, cancel, err) ||
            !receive(copy, err))
            return broken(copy, err);
    }
    if (copy->reply.status != COPY_OK)
        return copy_words_refused(&copy->reply, "files", err);
    *ret_done = copy->reply.progress;
    return true;
}
