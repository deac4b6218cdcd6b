/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/control_wire.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/daemon/commands.h"
#include "agent/daemon/control_group.h"

enum {
    CLIENT_COUNT_MAX = 64,
    REQUEST_TIMEOUT_MS = 10000,
    UNREAD_TIMEOUT_MS = 60000,
    WRITE_QUEUE_BYTES_MAX = 1024 * 1024, /* more stays with the job until this is read */
    CHUNK_BYTES = 16 * 1024,
    GROUPS_MAX = 1024,
};

struct client {
    uv_pipe_t pipe;
    uv_timer_t timer; /* before the request: for it; after: for unread answers */
    struct control *control;
    struct client *next;
    struct control_lines lines;
    struct job *job; /* NULL: none yet, or it has ended */
    bool asked;      /* the request was read */
    bool last_said;  /* close when all is written */
    int open_handles;
    char chunk[CHUNK_BYTES];
};

struct control {
    uv_pipe_t listener;
    uv_loop_t *loop;
    struct agent *agent;
    struct client *clients;
    unsigned client_count;
    bool has_group;
    gid_t group;
};

struct written {
    uv_write_t request;
    struct buf bytes;
};

/* --- closing ----------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;

    if (--client->open_handles > 0)
        return;
    control_lines_free(&client->lines);
    free(client);
}

static void client_close(struct client *client)
{
    struct control *control = client->control;

    if (uv_is_closing((uv_handle_t *)&client->pipe))
        return;
    for (struct client **at = &control->clients; *at != NULL; at = &(*at)->next) {
        if (*at == client) {
            *at = client->next;
            control->client_count--;
            break;
        }
    }
    if (client->job != NULL) {
        job_detach(client->job);
        /* It may have told its last while we could take no more: nobody else looks at it then. */
        control->agent->wake(control->agent);
    }
    client->job = NULL;
    uv_close((uv_handle_t *)&client->pipe, on_handle_closed);
    uv_close((uv_handle_t *)&client->timer, on_handle_closed);
}

static void on_timer(uv_timer_t *timer)
{
    client_close(timer->data); /* silent, or not reading */
}

/* --- writing ----------------------------------------------------------------------------- */

static void on_written(uv_write_t *request, int status)
{
    struct written *written = (struct written *)request;
    struct client *client = request->data;

    buf_free(&written->bytes);
    free(written);
    if (status < 0) {
        client_close(client);
        return;
    }
    bool empty = uv_stream_get_write_queue_size((uv_stream_t *)&client->pipe) == 0;
    if (empty && client->last_said) {
        client_close(client);
        return;
    }
    if (empty)
        (void)uv_timer_stop(&client->timer);
    else
        (void)uv_timer_start(&client->timer, on_timer, UNREAD_TIMEOUT_MS, 0);
    if (client->job != NULL)
        control_pump(client->control);
}

/* Swallows BYTES. */
static void client_write(struct client *client, struct buf *take_bytes)
{
    struct written *written = calloc(1, sizeof(*written));
    uv_buf_t part = uv_buf_init(take_bytes->data, (unsigned)take_bytes->len);

    if (written == NULL || take_bytes->len == 0) {
        free(written);
        buf_free(take_bytes);
        return;
    }
    written->bytes = *take_bytes;
    *take_bytes = (struct buf)BUF_INIT(0);
    written->request.data = client;
    if (uv_write(&written->request, (uv_stream_t *)&client->pipe, &part, 1, on_written) < 0) {
        buf_free(&written->bytes);
        free(written);
        client_close(client);
        return;
    }
    (void)uv_timer_start(&client->timer, on_timer, UNREAD_TIMEOUT_MS, 0);
}

static void client_refuse(struct client *client, const struct err *why, int exit_code)
{
    struct buf line = BUF_INIT(CONTROL_ANSWER_BYTES_MAX);
    struct err err = ERR_INIT;

    client->asked = client->last_said = true;
    (void)uv_read_stop((uv_stream_t *)&client->pipe);
    if (control_add_error(&line, why, exit_code, "nothing was done", &err))
        client_write(client, &line);
    else
        client_close(client);
    buf_free(&line);
}

/* --- the request ------------------------------------------------------------------------- */

static const char *what_is_cancelled(const struct job *job)
{
    if (strcmp(job->cmd, "prune") == 0 || strcmp(job->cmd, "delete") == 0)
        return "what is begun is brought to its end";
    if (strcmp(job->cmd, "restore-instance") == 0)
        return "no longer waiting; what is launched stays";
    return "letting go of whatever is held";
}

static void answer_cancel(struct client *client, struct job *job)
{
    struct buf line = BUF_INIT(CONTROL_ANSWER_BYTES_MAX);
    struct err err = ERR_INIT;
    char text[160], id[JOB_ID_BYTES];

    bool in_time = job_cancel(job);
    if (in_time)
        (void)snprintf(text, sizeof(text), "%s", what_is_cancelled(job));
    else
        (void)snprintf(text, sizeof(text),
                       strcmp(job->cmd, "rollback") == 0
                           ? "volumes are being exchanged already: %s goes on"
                           : "the cut was made before the cancel: backup %s goes on",
                       job_copy_id(job, id));
    if (in_time ? control_add_cancelling(&line, text, &err)
                : control_add_goes_on(&line, text, &err))
        client_write(client, &line);
    buf_free(&line);
}

/* Whoever asked for a hold knows that it is there: from here it does without them. Who comes too
 * late finds the connection closed. */
static void answer_keep(struct client *client, struct job *job)
{
    struct buf line = BUF_INIT(CONTROL_ANSWER_BYTES_MAX);
    struct err err = ERR_INIT;

    if (job_keep(job) && control_add_kept(&line, &err))
        client_write(client, &line);
    buf_free(&line);
}

/* {"cmd":"cancel"} on a connection of its own: ends the job that has the node. */
static void cancel_running(struct client *client, json_t *args)
{
    static const char *const keys[] = {"id", NULL};
    struct agent *agent = client->control->agent;
    struct buf line = BUF_INIT(CONTROL_ANSWER_BYTES_MAX);
    struct err err = ERR_INIT;
    const char *id = "";
    char running[JOB_ID_BYTES];
    struct job *job = agent->jobs;

    if (args != NULL &&
        (!control_only_keys(args, keys, &err) || !control_opt_string(args, "id", &id, &err))) {
        client_refuse(client, &err, 2);
        return;
    }
    while (job != NULL && (strcmp(job->cmd, "backup") != 0 ||
                           (id[0] && strcmp(job_copy_id(job, running), id) != 0)))
        job = job->next;
    if (job == NULL) {
        (void)err_set(&err, ERR_NOT_FOUND, 0, "no backup is running%s%s", id[0] ? " with id " : "",
                      id);
        client_refuse(client, &err, 5);
        return;
    }
    bool in_time = job_cancel(job);
    client->last_said = true;
    if (control_add_result(
            &line, 0, json_pack("{s:s,s:b}", "id", job_copy_id(job, running), "in_time", in_time),
            &err))
        client_write(client, &line);
    buf_free(&line);
}

static void begin_request(struct client *client, json_t *request)
{
    struct agent *agent = client->control->agent;
    struct err err = ERR_INIT;
    const char *cmd = NULL;
    json_t *args = NULL;

    if (!control_read_request(request, &cmd, &args, &err)) {
        client_refuse(client, &err, 2);
        return;
    }
    client->asked = true;
    (void)uv_timer_stop(&client->timer);
    if (strcmp(cmd, "cancel") == 0) {
        cancel_running(client, args);
        return;
    }
    const struct command *command = command_find(cmd);
    size_t places = JOB_COUNT_MAX + (command != NULL && command->spare ? JOB_COUNT_SPARE : 0);
    if (command == NULL) {
        const char *nearest = parse_nearest(cmd, command_names());
        (void)err_set(&err, ERR_USAGE, 0, "this daemon has no such command");
        (void)err_suggest(&err, nearest ? "did you mean %s?" : "update %s", /* of one package */
                          nearest ? nearest : "stillpoint and stillpointd together");
        client_refuse(client, &err, 2);
    } else if (agent->stopping) {
        (void)err_set(&err, ERR_BUSY, 0, "the daemon is stopping");
        client_refuse(client, &err, 5);
    } else if (!job_start(agent, command->name, command->run, json_incref(args), client, places,
                          &client->job, &err)) {
        client_refuse(client, &err, err.kind == ERR_BUSY ? 4 : 5);
    }
}

static bool take_line(struct client *client, const char *line, size_t len, struct err *err)
{
    json_t *request = NULL, *args = NULL;
    const char *cmd = NULL;

    if (!control_parse(line, len, &request, err))
        return false;
    if (!client->asked) {
        begin_request(client, request);
    } else if (!control_read_request(request, &cmd, &args, err)) {
        json_decref(request);
        return false;
    } else if (client->job != NULL && strcmp(cmd, "cancel") == 0) {
        answer_cancel(client, client->job);
    } else if (client->job != NULL && strcmp(cmd, "keep") == 0) {
        answer_keep(client, client->job);
    }
    json_decref(request);
    return true;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct client *client = handle->data;

    (void)suggested;
    *ret_buf = uv_buf_init(client->chunk, sizeof(client->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct client *client = stream->data;
    struct err err = ERR_INIT;
    const char *line = NULL;
    size_t len = 0;

    if (got < 0) {
        client_close(client); /* the job goes on */
        return;
    }
    bool ok = control_lines_push(&client->lines, buf->base, (size_t)got, &err);
    while (ok && !uv_is_closing((uv_handle_t *)&client->pipe)) {
        ok = control_lines_pop(&client->lines, &line, &len, &err);
        if (!ok || line == NULL)
            break;
        ok = take_line(client, line, len, &err);
    }
    if (ok)
        return;
    if (client->job != NULL)
        client_close(client); /* garbage in mid-job: nothing more is heard from this one */
    else if (!client->last_said)
        client_refuse(client, &err, 2);
}

/* --- who may ----------------------------------------------------------------------------- */

static bool in_group(int fd, const struct ucred *peer, gid_t group)
{
    gid_t groups[GROUPS_MAX];
    socklen_t size = sizeof(groups);

    if (peer->gid == group)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) != 0)
        return false; /* kernel before 4.13, or more groups than anybody has */
    for (size_t i = 0; i < size / sizeof(gid_t); i++) {
        if (groups[i] == group)
            return true;
    }
    return false;
}

static bool may_ask(const struct control *control, int fd, struct err *err)
{
    struct ucred peer = {0, 0, 0};
    socklen_t size = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return err_set(err, ERR_SYS, errno, "who is asking");
    if (peer.uid == 0 || peer.uid == geteuid() ||
        (control->has_group && in_group(fd, &peer, control->group)))
        return true;
    (void)err_set(err, ERR_PRECONDITION, 0, "user %u may not use this daemon", peer.uid);
    return err_suggest(err, "run it as root, or join the group %s",
                       control->agent->config->daemon.group);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct control *control = listener->data;
    struct client *client = status < 0 ? NULL : calloc(1, sizeof(*client));
    struct err err = ERR_INIT;
    int fd = -1;

    if (client == NULL)
        return;
    client->control = control;
    client->lines = (struct control_lines)CONTROL_LINES_INIT(CONTROL_REQUEST_BYTES_MAX);
    (void)uv_pipe_init(control->loop, &client->pipe, 0);
    (void)uv_timer_init(control->loop, &client->timer);
    client->pipe.data = client->timer.data = client;
    client->open_handles = 2;
    client->next = control->clients;
    control->clients = client;
    control->client_count++;
    if (uv_accept(listener, (uv_stream_t *)&client->pipe) < 0 ||
        uv_fileno((uv_handle_t *)&client->pipe, &fd) < 0) {
        client_close(client);
        return;
    }
    (void)uv_timer_start(&client->timer, on_timer, REQUEST_TIMEOUT_MS, 0);
    if (control->client_count > CLIENT_COUNT_MAX) {
        (void)err_set(&err, ERR_BUSY, 0, "%d clients are connected already", CLIENT_COUNT_MAX);
        client_refuse(client, &err, 4);
    } else if (!may_ask(control, fd, &err)) {
        client_refuse(client, &err, 5);
    } else if (uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read) < 0) {
        client_close(client);
    }
}

/* --- jobs to clients --------------------------------------------------------------------- */

static void pump_job(struct job *job)
{
    struct client *client = job->client;
    struct buf lines;
    bool ended;

    if (client != NULL &&
        uv_stream_get_write_queue_size((uv_stream_t *)&client->pipe) >= WRITE_QUEUE_BYTES_MAX)
        return; /* on_written comes back here */
    job_take_events(job, &lines, &ended);
    if (ended) {
        job_end(job);
        if (client != NULL) {
            client->job = NULL;
            client->last_said = true;
        }
    }
    if (client != NULL && lines.len > 0)
        client_write(client, &lines);
    else if (client != NULL && ended &&
             uv_stream_get_write_queue_size((uv_stream_t *)&client->pipe) == 0)
        client_close(client); /* else on_written does, once the last of it is out */
    buf_free(&lines);
}

void control_pump(struct control *control)
{
    struct job *next = NULL;

    for (struct job *job = control->agent->jobs; job != NULL; job = next) {
        next = job->next;
        pump_job(job);
    }
}

/* --- life -------------------------------------------------------------------------------- */

/* A file that a dead daemon left is removed; a live one's is not. */
static bool clear_way(const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return err_set(err, ERR_CONFIG, 0, "path of the control socket too long: %s", path);
    strcpy(address.sun_path, path);
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(err, ERR_SYS, errno, "socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN) {
        (void)err_set(err, ERR_BUSY, 0, "another daemon listens at %s", path);
        return err_suggest(err, "see `systemctl status stillpointd`");
    }
    if (errno == ECONNREFUSED && unlink(path) != 0)
        return err_set(err, ERR_SYS, errno, "remove %s", path);
    return true;
}

static void on_listener_closed(uv_handle_t *listener)
{
    free(listener->data);
}

bool control_open(uv_loop_t *loop, struct agent *agent, struct control **ret_control,
                  struct err *err)
{
    const char *path = agent->config->control_socket, *group = agent->config->daemon.group;
    struct err why = ERR_INIT;

    if (!clear_way(path, err))
        return false;
    struct control *control = calloc(1, sizeof(*control));
    if (control == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    control->loop = loop;
    control->agent = agent;
    control->has_group = control_group_find(group, &control->group, &why);
    (void)uv_pipe_init(loop, &control->listener, 0);
    control->listener.data = control;
    mode_t old = umask(0117); /* 0660 from birth */
    int failed = uv_pipe_bind(&control->listener, path);
    (void)umask(old);
    if (failed == 0)
        failed = uv_listen((uv_stream_t *)&control->listener, 32, on_connection);
    if (failed < 0) {
        (void)err_set(err, ERR_SYS, -failed, "listen at %s", path);
        (void)err_suggest(err, "[paths] run must be there and belong to the daemon's user");
        uv_close((uv_handle_t *)&control->listener, on_listener_closed);
        return false;
    }
    /* Root and we ourselves can use it without. */
    if (!control->has_group || !control_group_give(group, control->group, path, &why))
        log_err(LOG_LEVEL_WARNING, "control_group", &why);
    *ret_control = control;
    return true;
}

void control_close(struct control *control)
{
    if (!uv_is_closing((uv_handle_t *)&control->listener))
        uv_close((uv_handle_t *)&control->listener, NULL); /* removes the file (libuv) */
    for (struct client *client = control->clients, *next; client != NULL; client = next) {
        next = client->next;
        client_close(client);
    }
}

void control_free(struct control *control)
{
    free(control);
}
