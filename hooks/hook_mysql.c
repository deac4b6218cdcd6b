/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/hook_mysql.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"

enum { LET_GO_MS = 1000 }; /* for what must be undone on a connection of its own */

struct mysql_hook {
    struct hook_mysql_config config; /* its texts are ours */
    const char *socket;              /* in use: the configured one, or one of the usual places */
    const struct cancel *cancel;     /* of the job, borrowed from prepare to finish */
    struct db *db;                   /* NULL: not connected */
    struct db_server server;
    bool asked; /* server is a fact */
    struct db_lock lock;
    struct db_position position;
    bool positioned; /* position is a fact */
};

/* --- connecting --------------------------------------------------------------------------- */

static void disconnect(struct mysql_hook *self)
{
    db_close(self->db);
    self->db = NULL;
    /* wsrep_desync belongs to the server, not to the connection. */
    self->lock = (struct db_lock){.desynced = self->lock.desynced};
}

static bool connect_to(struct mysql_hook *self, const struct cancel *cancel, int64_t deadline_ms,
                       struct err *err)
{
    struct db_target target = {self->socket, self->config.user, self->config.defaults_file};

    disconnect(self);
    if (!db_open(&target, deadline_ms, cancel, &self->db, err))
        return false;
    self->lock = (struct db_lock){.db = self->db,
                                  .server = &self->server,
                                  .lock_wait_ms = self->config.lock_wait_ms,
                                  .desynced = self->lock.desynced};
    return true;
}

static bool find_socket(struct mysql_hook *self, struct err *err)
{
    self->socket = self->config.socket != NULL ? self->config.socket : db_find_socket();
    if (self->socket != NULL)
        return true;
    err_set(err, ERR_DB, 0, "no database server's socket in the usual places");
    return err_suggest(err, "start the server, or set socket= under [mysql] to what SELECT "
                            "@@socket says");
}

/* --- the steps ---------------------------------------------------------------------------- */

static bool ask(struct mysql_hook *self, int64_t deadline_ms, struct err *err)
{
    struct db_server server = DB_SERVER_INIT;

    if (!db_server_ask(self->db, self->config.method, self->config.exact_position, deadline_ms,
                       &server, err))
        return false;
    db_server_free(&self->server);
    self->server = server;
    self->asked = true;
    return true;
}

/* What is in the way now may be gone when the hold comes, which looks again. */
static bool unless_lock_wait(bool ok, struct err *err)
{
    if (ok || err->kind != ERR_DB_LOCK)
        return ok;
    *err = (struct err)ERR_INIT;
    return true;
}

static bool mysql_prepare(void *hook, const struct hook_job *job, int64_t deadline_ms,
                          const struct cancel *cancel, struct err *err)
{
    struct mysql_hook *self = hook;

    (void)job;
    self->asked = self->positioned = false;
    self->cancel = cancel;
    bool ok = find_socket(self, err) && connect_to(self, cancel, deadline_ms, err) &&
              ask(self, deadline_ms, err) &&
              unless_lock_wait(db_lock_rehearse(&self->lock, deadline_ms, err), err) &&
              unless_lock_wait(db_lock_begin(&self->lock, deadline_ms, err), err);
    if (!ok) {
        disconnect(self);
        if (err->kind == ERR_DB)
            (void)err_suggest(err, "`stillpoint doctor` prints the GRANT statements for this "
                                   "server");
    }
    return ok;
}

/* A server that was restarted since prepare, or dropped us, is asked again: nothing is held yet. */
static bool ensure_connected(struct mysql_hook *self, const struct cancel *cancel,
                             int64_t deadline_ms, struct err *err)
{
    if (self->db != NULL && db_alive(self->db) && db_exec(self->db, "DO 0", true, deadline_ms, err))
        return true;
    if (self->db != NULL && db_alive(self->db))
        return false;
    bool exact = self->server.facts.exact_wanted;
    *err = (struct err)ERR_INIT;
    if (!connect_to(self, cancel, deadline_ms, err) || !ask(self, deadline_ms, err))
        return false;
    self->server.facts.exact_wanted = exact;
    return db_choose(&self->server.facts, &self->server.choice, err);
}

static bool mysql_hold(void *hook, int64_t deadline_ms, const struct cancel *cancel,
                       struct err *err)
{
    struct mysql_hook *self = hook;

    self->positioned = false;
    if (!ensure_connected(self, cancel, deadline_ms, err) ||
        !db_lock_take(&self->lock, deadline_ms, &self->position, err)) {
        if (self->db != NULL && !db_alive(self->db))
            disconnect(self); /* the server lets go */
        return false;
    }
    self->positioned = true;
    return true;
}

static bool mysql_attest(void *hook, int64_t deadline_ms, struct proof *ret_proof, struct err *err)
{
    struct mysql_hook *self = hook;

    if (self->db == NULL)
        return err_set(err, ERR_DB, 0, "not connected");
    return db_lock_prove(&self->lock, deadline_ms, ret_proof, err);
}

/* Through a new connection, where the old one is gone and the server's setting is not. */
static bool resync(struct mysql_hook *self, struct err *err)
{
    int64_t deadline_ms = clock_boot_ms() + LET_GO_MS;

    if (!connect_to(self, NULL, deadline_ms, err) ||
        !db_lock_resync(&self->lock, self->db, deadline_ms, err)) {
        err_wrap(err, "wsrep_desync may still be ON");
        return err_suggest(err, "SET GLOBAL wsrep_desync=OFF on the server");
    }
    return true;
}

static bool mysql_release(void *hook, const char *outcome, int64_t deadline_ms, struct err *err)
{
    struct mysql_hook *self = hook;
    bool ok = true;

    (void)outcome;
    if (self->db != NULL)
        ok = db_lock_release(&self->lock, deadline_ms, err);
    if (!ok || (self->db != NULL && !db_alive(self->db)))
        disconnect(self);
    if (self->lock.desynced)
        ok = resync(self, err) && ok;
    return ok;
}

static bool mysql_finish(void *hook, const char *outcome, int64_t deadline_ms, struct err *err)
{
    struct mysql_hook *self = hook;
    bool ok = mysql_release(hook, outcome, deadline_ms, err);

    disconnect(self);
    self->cancel = NULL;
    return ok;
}

static void mysql_free(void *hook)
{
    struct mysql_hook *self = hook;
    struct err ignored = ERR_INIT; /* closing lets go of what a failed release leaves */

    (void)mysql_finish(hook, "", clock_boot_ms() + LET_GO_MS, &ignored);
    db_server_free(&self->server);
    free((char *)(uintptr_t)self->config.name);
    free((char *)(uintptr_t)self->config.socket);
    free((char *)(uintptr_t)self->config.user);
    free((char *)(uintptr_t)self->config.defaults_file);
    free(self);
}

/* --- making it ---------------------------------------------------------------------------- */

static bool copy_text(const char **to, const char *from)
{
    *to = from != NULL ? strdup(from) : NULL;
    return from == NULL || *to != NULL;
}

bool hook_mysql_new(const struct hook_mysql_config *config, struct hook *ret_hook, struct err *err)
{
    struct mysql_hook *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return err_set(err, ERR_INTERNAL, 0, "no memory for a hook");
    self->config = *config;
    bool name = copy_text(&self->config.name, config->name);
    bool socket = copy_text(&self->config.socket, config->socket);
    bool user = copy_text(&self->config.user, config->user);
    bool file = copy_text(&self->config.defaults_file, config->defaults_file);
    if (!name || !socket || !user || !file) {
        mysql_free(self); /* not reached: no memory */
        return err_set(err, ERR_INTERNAL, 0, "no memory for a hook");
    }
    *ret_hook = (struct hook){.name = self->config.name,
                              .required = config->required,
                              .prepare_required = config->required,
                              .self = self,
                              .prepare = mysql_prepare,
                              .hold = mysql_hold,
                              .attest = mysql_attest,
                              .release = mysql_release,
                              .finish = mysql_finish,
                              .free = mysql_free};
    return true;
}

bool hook_is_mysql(const struct hook *hook)
{
    return hook->prepare == mysql_prepare;
}

static struct mysql_hook *self_of(const struct hook *hook)
{
    assert(hook_is_mysql(hook));
    return hook->self;
}

const struct db_server *hook_mysql_server(const struct hook *hook)
{
    const struct mysql_hook *self = self_of(hook);

    return self->asked ? &self->server : NULL;
}

const struct db_position *hook_mysql_position(const struct hook *hook)
{
    const struct mysql_hook *self = self_of(hook);

    return self->positioned ? &self->position : NULL;
}

const char *hook_mysql_socket(const struct hook *hook)
{
    return self_of(hook)->socket;
}

bool hook_mysql_block_commits(struct hook *hook, struct err *err)
{
    struct mysql_hook *self = self_of(hook);
    struct db_facts facts = self->server.facts;

    if (!self->asked || !self->server.choice.commits_go_on || !facts.log_bin)
        return true;
    if (self->server.choice.method == DB_METHOD_NONE) {
        err_set(err, ERR_CONFIG, 0,
                "%s: method = none, but the binary log can't be frozen before "
                "the data, so commits would have to wait",
                self->config.name);
        return err_suggest(err, "set method = auto under [mysql]");
    }
    facts.exact_wanted = true;
    if (!db_choose(&facts, &self->server.choice, err))
        return false; /* not reached: the method was chosen before, and the server has it */
    self->server.facts = facts;
    return true;
}
