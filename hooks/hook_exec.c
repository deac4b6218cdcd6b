/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/hook_exec.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "hooks/hook_dial.h"

/* stillpoint-hook ends the program at its deadline and then tells us: we wait so much longer. */
enum { REPLY_GRACE_MS = 250 };

struct output {
    size_t len;
    char bytes[HOOK_OUTPUT_BYTES];
};

struct exec_hook {
    struct hook_exec_config config; /* its texts are ours */
    char id[HOOK_ID_BYTES], reason[HOOK_REASON_BYTES];
    struct output outputs[HOOK_PHASE_COUNT];
};

static const char *phase_name(enum hook_phase phase)
{
    static const char *const names[HOOK_PHASE_COUNT] = {
        [HOOK_PREPARE] = "prepare", [HOOK_HOLD] = "hold", [HOOK_RELEASE] = "release",
        [HOOK_FINISH] = "finish",   [HOOK_STOP] = "stop", [HOOK_START] = "start",
    };

    return names[phase];
}

/* --- one exchange ------------------------------------------------------------------------- */

static void fill_request(const struct exec_hook *self, enum hook_phase phase, const char *outcome,
                         int64_t deadline_ms, struct hook_request *request)
{
    *request = (struct hook_request){
        .version = HOOK_WIRE_VERSION, .phase = phase, .deadline_ms = deadline_ms};
    (void)snprintf(request->path, sizeof(request->path), "%s", self->config.path);
    (void)snprintf(request->id, sizeof(request->id), "%s", self->id);
    (void)snprintf(request->reason, sizeof(request->reason), "%s", self->reason);
    (void)snprintf(request->outcome, sizeof(request->outcome), "%s", outcome);
}

/* Closing early, on whatever way out, has stillpoint-hook kill the program. */
static bool exchange(const char *path, const struct hook_request *request,
                     const struct cancel *cancel, struct hook_reply *ret_reply, struct err *err)
{
    AUTO_CLOSE int fd = -1;

    if (!hook_dial(path, &fd, err))
        return false;
    if (send(fd, request, sizeof(*request), MSG_NOSIGNAL) != (ssize_t)sizeof(*request))
        /* not reached: it would have to end in the moment since the connection */
        return err_set(err, ERR_HOOK, errno, "%s: sending", path);
    if (!deadline_poll(fd, POLLIN, request->deadline_ms + REPLY_GRACE_MS, cancel, err))
        return err_wrap(err, "no answer from stillpoint-hook");
    ssize_t len = recv(fd, ret_reply, sizeof(*ret_reply), MSG_TRUNC);
    if (len < 0)
        return err_set(err, ERR_HOOK, errno, "%s: receiving", path);
    if (len == 0)
        return err_set(err, ERR_HOOK, 0, "stillpoint-hook went away before it answered");
    if (len != (ssize_t)sizeof(*ret_reply) || ret_reply->version != HOOK_WIRE_VERSION ||
        ret_reply->output_bytes > HOOK_OUTPUT_BYTES)
        return err_set(err, ERR_PROTOCOL, 0, "stillpoint-hook answers in another version");
    return true;
}

/* --- its words ---------------------------------------------------------------------------- */

static bool tell_refusal(const struct hook_reply *reply, const char *path, struct err *err)
{
    static const struct {
        const char *text, *remedy;
    } words[] = {
        [HOOK_REFUSAL_NONE] = {"", ""},
        [HOOK_REFUSAL_MESSAGE] = {"the request was not understood",
                                  "stillpointd and stillpoint-hook must be of one version"},
        [HOOK_REFUSAL_PEER] = {"we may not ask it", "run the daemon as the user stillpoint"},
        [HOOK_REFUSAL_NOT_ABSOLUTE] = {"is not a plain absolute path",
                                       "set exec= to the full path"},
        [HOOK_REFUSAL_MISSING] = {"can't be found", "put it back, or remove it from the "
                                                    "configuration and restart the daemon"},
        [HOOK_REFUSAL_SYMLINK] = {"is a symbolic link", "set exec= to what it points to"},
        [HOOK_REFUSAL_OWNER] = {"is not owned by root", "chown root it"},
        [HOOK_REFUSAL_WRITABLE] = {"can be written by others than root", "chmod go-w it"},
        [HOOK_REFUSAL_NOT_FILE] = {"is not an executable file", "chmod u+x it"},
        [HOOK_REFUSAL_DEADLINE] = {"was not started: its deadline had passed", ""},
    };
    size_t index =
        reply->refusal < sizeof(words) / sizeof(words[0]) ? reply->refusal : HOOK_REFUSAL_MESSAGE;
    size_t len = strlen(path);

    if (reply->component_bytes > 0 && reply->component_bytes < len)
        len = reply->component_bytes;
    err_set(err, ERR_HOOK, reply->os_errno, "%.*s %s", (int)len, path, words[index].text);
    return words[index].remedy[0] != '\0' && err_suggest(err, "%s", words[index].remedy);
}

/* What the release was to let go of only its author knows: it may be held still. */
static bool suggest(enum hook_phase phase, struct err *err)
{
    return phase == HOOK_RELEASE
               ? err_suggest(err, "what it held may still be held: see that it is let go; the "
                                  "hook's output is in the daemon's log")
               : err_suggest(err, "its output is in the daemon's log");
}

static bool judge(const struct exec_hook *self, enum hook_phase phase,
                  const struct hook_reply *reply, struct err *err)
{
    const char *path = self->config.path, *name = phase_name(phase);

    switch (reply->result) {
    case HOOK_EXITED:
        if (reply->code == 0)
            return true;
        err_set(err, ERR_HOOK, 0, "%s %s exited with %d", path, name, (int)reply->code);
        break;
    case HOOK_SIGNALLED:
        err_set(err, ERR_HOOK, 0, "%s %s was ended by signal %d", path, name, (int)reply->code);
        break;
    case HOOK_DEADLINE:
        err_set(err, ERR_HOOK, 0, "%s %s was killed after %lld ms, at its deadline", path, name,
                (long long)(reply->took_us / 1000));
        if (phase == HOOK_RELEASE)
            break;
        return err_suggest(err, "make it faster, or give it a longer timeout under [hook %s]",
                           self->config.name);
    case HOOK_REFUSED:
        return tell_refusal(reply, path, err);
    case HOOK_FAILED:
        return err_set(err, ERR_HOOK, reply->os_errno, "%s %s could not be started", path, name);
    default:
        return err_set(err, ERR_PROTOCOL, 0, "stillpoint-hook answers in another version");
    }
    return suggest(phase, err);
}

/* --- the steps ---------------------------------------------------------------------------- */

static bool run_phase(struct exec_hook *self, enum hook_phase phase, const char *outcome,
                      int64_t deadline_ms, const struct cancel *cancel, struct err *err)
{
    const int64_t timeouts_ms[HOOK_PHASE_COUNT] = {
        [HOOK_PREPARE] = self->config.prepare_timeout_ms,
        [HOOK_HOLD] = self->config.hold_timeout_ms,
        [HOOK_RELEASE] = self->config.release_timeout_ms,
        [HOOK_FINISH] = self->config.finish_timeout_ms,
        [HOOK_STOP] = self->config.stop_timeout_ms,
        [HOOK_START] = self->config.start_timeout_ms,
    };
    struct output *output = &self->outputs[phase];
    struct hook_request request;
    struct hook_reply reply = {.version = 0};

    output->len = 0;
    if ((self->config.phases & HOOK_EXEC_BIT(phase)) == 0)
        return true;
    fill_request(self, phase, outcome, deadline_sooner(deadline_ms, timeouts_ms[phase]), &request);
    if (!exchange(self->config.socket, &request, cancel, &reply, err))
        return err_wrap(err, "%s %s", self->config.path, phase_name(phase));
    output->len = reply.output_bytes;
    memcpy(output->bytes, reply.output, reply.output_bytes);
    return judge(self, phase, &reply, err);
}

/* The program gets the operator's words on one line. */
static void take_reason(struct exec_hook *self, const char *reason)
{
    char whole[HOOK_REASON_BYTES + 8] = ""; /* room for the character that may have to go */

    (void)snprintf(whole, sizeof(whole), "%s", reason);
    parse_cut_utf8(whole, HOOK_REASON_BYTES - 1, HOOK_REASON_BYTES - 1);
    memcpy(self->reason, whole, sizeof(self->reason));
    for (char *c = self->reason; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
}

static void take_job(struct exec_hook *self, const struct hook_job *job)
{
    (void)snprintf(self->id, sizeof(self->id), "%s", job->id);
    take_reason(self, job->reason);
}

static bool exec_prepare(void *hook, const struct hook_job *job, int64_t deadline_ms,
                         const struct cancel *cancel, struct err *err)
{
    struct exec_hook *self = hook;

    take_job(self, job);
    for (size_t i = 0; i < HOOK_PHASE_COUNT; i++)
        self->outputs[i].len = 0;
    return run_phase(self, HOOK_PREPARE, "", deadline_ms, cancel, err);
}

static bool exec_hold(void *hook, int64_t deadline_ms, const struct cancel *cancel, struct err *err)
{
    return run_phase(hook, HOOK_HOLD, "", deadline_ms, cancel, err);
}

static int64_t deadline_later(int64_t deadline_ms, int64_t timeout_ms)
{
    int64_t own_ms = clock_boot_ms() + timeout_ms;

    return own_ms > deadline_ms ? own_ms : deadline_ms;
}

/* A release that is late is run all the same: for the time that a hook has anyway, from now on. */
static bool exec_release(void *hook, const char *outcome, int64_t deadline_ms, struct err *err)
{
    const struct exec_hook *self = hook;

    deadline_ms = deadline_later(deadline_ms, self->config.release_timeout_ms);
    return run_phase(hook, HOOK_RELEASE, outcome, deadline_ms, NULL, err);
}

/* Nobody waits for it: its time is its own, too. */
static bool exec_finish(void *hook, const char *outcome, int64_t deadline_ms, struct err *err)
{
    const struct exec_hook *self = hook;

    deadline_ms = deadline_later(deadline_ms, self->config.finish_timeout_ms);
    return run_phase(hook, HOOK_FINISH, outcome, deadline_ms, NULL, err);
}

bool hook_exec_run(const struct hook *hook, enum hook_phase phase, const struct hook_job *job,
                   const char *outcome, int64_t deadline_ms, const struct cancel *cancel,
                   struct err *err)
{
    struct exec_hook *self = hook->self;

    assert(hook_is_exec(hook) && (phase == HOOK_STOP || phase == HOOK_START));
    take_job(self, job);
    return run_phase(self, phase, outcome, deadline_ms, cancel, err);
}

static void exec_free(void *hook)
{
    struct exec_hook *self = hook;

    free((char *)(uintptr_t)self->config.name);
    free((char *)(uintptr_t)self->config.path);
    free((char *)(uintptr_t)self->config.socket);
    free(self);
}

/* --- making it ---------------------------------------------------------------------------- */

bool hook_exec_new(const struct hook_exec_config *config, struct hook *ret_hook, struct err *err)
{
    if (config->path[0] != '/' || strlen(config->path) >= HOOK_PATH_BYTES)
        return err_set(err, ERR_CONFIG, 0, "hook %s: %.200s is not an absolute path below %d bytes",
                       config->name, config->path, HOOK_PATH_BYTES);
    struct exec_hook *self = calloc(1, sizeof(*self));
    if (self == NULL)
        return err_set(err, ERR_INTERNAL, 0, "no memory for a hook");
    self->config = *config;
    self->config.name = strdup(config->name);
    self->config.path = strdup(config->path);
    self->config.socket = strdup(config->socket);
    if (self->config.name == NULL || self->config.path == NULL || self->config.socket == NULL) {
        exec_free(self); /* not reached: no memory */
        return err_set(err, ERR_INTERNAL, 0, "no memory for a hook");
    }
    *ret_hook = (struct hook){.name = self->config.name,
                              .required = config->required,
                              .prepare_required = true,
                              .self = self,
                              .prepare = exec_prepare,
                              .hold = exec_hold,
                              .release = exec_release,
                              .finish = exec_finish,
                              .free = exec_free};
    return true;
}

bool hook_is_exec(const struct hook *hook)
{
    return hook->prepare == exec_prepare;
}

const char *hook_exec_output(const struct hook *hook, enum hook_phase phase, size_t *ret_len)
{
    const struct exec_hook *self = hook->self;

    assert(hook_is_exec(hook));
    assert(phase < HOOK_PHASE_COUNT);
    *ret_len = self->outputs[phase].len;
    return self->outputs[phase].bytes;
}
