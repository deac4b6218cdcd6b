/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/daemon/facts.h"
#include "agent/daemon/loan_gate.h"
#include "agent/daemon/loan_record.h"
#include "agent/daemon/metrics.h"
#include "hooks/db.h"
#include "hooks/hook_exec.h"
#include "hooks/hook_mysql.h"

enum { PATH_LOOKUP_MS = 3000, STAYS_MS = 1000, DATABASE_MS = 3000 };

#define SERVICE_PHASES ((unsigned)CONFIG_PHASE_STOP | (unsigned)CONFIG_PHASE_START)

bool survey_node(struct work *work, int64_t deadline_ms, struct err *err)
{
    struct agent *agent = work->job->agent;

    if (!identity_read(work->config, deadline_ms, &work->job->cancel, &work->identity, err))
        return false;
    (void)pthread_mutex_lock(&agent->mutex);
    agent->identity = work->identity;
    (void)pthread_mutex_unlock(&agent->mutex);
    return work->ec2 != NULL ||
           work_ec2(work->config, &work->identity, agent->credentials, &work->ec2, err);
}

bool survey_identity(struct work *work, int64_t deadline_ms, struct err *err)
{
    char was[IMDS_ID_BYTES];

    if (!survey_node(work, deadline_ms, err) ||
        !identity_remember(&work->identity, work->config->paths.state, was, err))
        return false;
    if (was[0] != '\0')
        log_event(LOG_LEVEL_NOTICE, "identity_changed", "was=%s now=%s", was,
                  work->identity.document.instance_id);
    metrics_own(work->job->agent->metrics, work->identity.document.instance_id);
    return true;
}

static const struct ec2_device *mapping_of(const struct ec2_instance *instance, const char *volume)
{
    for (size_t i = 0; i < instance->device_count; i++) {
        if (strcmp(instance->devices[i].volume_id, volume) == 0)
            return &instance->devices[i];
    }
    return NULL;
}

/* Known to this process, or by its tag: an earlier daemon's. The volume that the instance runs from
 * is nobody's loan, whatever its tags say. */
static bool note_loan(struct work *work, const struct strs *known, const struct ec2_volume *volume,
                      const struct device_attached *attached, struct err *err)
{
    if (attached->root ||
        (!strs_has(known, volume->id) && ec2_tags_get(&volume->tags, LOAN_TAG) == NULL))
        return true;
    log_event(LOG_LEVEL_INFO, "on_loan", "id=%s volume=%s", work->job->id[0] ? work->job->id : "-",
              volume->id);
    return strs_add_once(&work->on_loan, volume->id, err);
}

static bool list_attached(struct work *work, struct err *err)
{
    struct strs known = {NULL, 0};
    bool ok = loan_gate_list(work->job->agent, &known, err);

    for (size_t i = 0; ok && i < work->volumes.count; i++) {
        const struct ec2_volume *volume = &work->volumes.list[i];
        const struct ec2_device *device = mapping_of(work->instance, volume->id);
        if (device == NULL)
            continue; /* attached since: DescribeInstances is what CreateSnapshots goes by */
        struct device_attached *attached = &work->attached[work->attached_count++];
        *attached = (struct device_attached){
            .volume_id = volume->id,
            .device_name = device->name,
            .size_gib = volume->size_gib,
            .root = strcmp(device->name, work->instance->root_device_name) == 0,
            .multi_attach = volume->multi_attach,
        };
        ok = note_loan(work, &known, volume, attached, err);
    }
    strs_free(&known);
    return ok;
}

bool survey_cloud(struct work *work, int64_t deadline_ms, struct err *err)
{
    const char *id = work->identity.document.instance_id;

    if (!ec2_describe_instance(work->ec2, id, deadline_ms, &work->job->cancel, &work->instance,
                               err) ||
        !ec2_describe_volumes(work->ec2, id, deadline_ms, &work->job->cancel, &work->volumes, err))
        return err->kind == ERR_AWS_NOT_FOUND
                   ? err_suggest(err, "see whether [aws] region is this instance's")
                   : false;
    work->attached = calloc(work->volumes.count + 1, sizeof(*work->attached));
    if (work->attached == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    return list_attached(work, err);
}

static struct device_query device_query(const struct work *work)
{
    return (struct device_query){
        .sysfs = "/sys",
        .map = &work->device_map,
        .attached = work->attached,
        .attached_count = work->attached_count,
    };
}

bool survey_devices(struct work *work, int64_t deadline_ms, struct err *err)
{
    if (work->lease == NULL &&
        !lease_open(work->config->guard_socket, deadline_ms, &work->job->cancel, &work->lease, err))
        return false;
    if (!lease_mount_table(work->lease, deadline_ms, &work->mount_text, err) ||
        !mounts_parse(buf_text(&work->mount_text), work->mount_text.len, &work->mounts, err) ||
        !mounts_fold(&work->mounts, &work->mount_list, err) ||
        !devices_map_load(work->config->devices.map, &work->device_map, err))
        return false;
    const struct device_query query = device_query(work);
    return devices_trace_all(&query, &work->mount_list, &work->traces, err);
}

bool survey_stays(struct work *work, int64_t deadline_ms, struct err *err)
{
    const char *state = work->instance->state;

    if (strcmp(state, "stopping") == 0 || strcmp(state, "shutting-down") == 0) {
        (void)err_set(err, ERR_PRECONDITION, 0, "EC2 says that this instance is %s", state);
        return err_suggest(err, "start the backup again when it runs");
    }
    return identity_stays(work->config, deadline_sooner(deadline_ms, STAYS_MS), &work->job->cancel,
                          err);
}

/* Whether all of it lies on volumes that are left out of the cut. */
static bool is_lent(const struct work *work, const struct device_trace *trace)
{
    bool lent = trace->kind == DEVICE_EBS && trace->elsewhere.count == 0;

    for (size_t i = 0; i < trace->volumes.count; i++)
        lent = lent && strs_has(&work->on_loan, trace->volumes.items[i]);
    return lent;
}

static bool note_appeared(struct work *work, const struct mount_list *list, struct err *err)
{
    const struct device_query query = device_query(work);

    for (size_t i = 0; i < list->count; i++) {
        const struct mount_pick *pick = &list->items[i];
        struct device_trace trace;
        if (pick->class != MOUNT_BLOCK || pick->mount->super_read_only ||
            mounts_find(&work->mounts, &work->mount_list, 0, pick->mount->major,
                        pick->mount->minor) != NULL)
            continue;
        if (!devices_trace(&query, pick->mount, &trace, err))
            return false;
        bool ours =
            (trace.kind == DEVICE_EBS && !is_lent(work, &trace)) || trace.kind == DEVICE_UNKNOWN;
        devices_trace_free(&trace);
        if (ours && !strs_printf(&work->appeared, err, "%s was mounted meanwhile and not frozen",
                                 pick->mount->path))
            return false;
    }
    return true;
}

static bool is_there(const struct mounts *mounts, const struct plan_mount *planned)
{
    for (size_t i = 0; i < mounts->count; i++) {
        const struct mount *mount = &mounts->items[i];
        if (mount->major == planned->dev_major && mount->minor == planned->dev_minor)
            return true;
    }
    return false;
}

/* What was taken away was frozen all the same, as long as the guard had it open: but who did that
 * was at work on it, and nobody knows at what. */
static bool note_vanished(struct work *work, const struct mounts *mounts, struct err *err)
{
    for (size_t i = 0; i < work->plan->mount_count; i++) {
        const struct plan_mount *planned = &work->plan->mounts[i];
        if (!is_there(mounts, planned) &&
            !strs_printf(&work->appeared, err, "%s was unmounted meanwhile", planned->path))
            return false;
    }
    return true;
}

bool survey_appeared(struct work *work, int64_t deadline_ms, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(MOUNTS_TEXT_BYTES_MAX);
    struct mounts mounts = {.count = 0};
    struct mount_list list = {.count = 0};

    if (work->lease == NULL)
        return err_set(err, ERR_GUARD, 0, "the guard is gone");
    bool ok = lease_mount_table(work->lease, deadline_ms, &text, err) &&
              mounts_parse(buf_text(&text), text.len, &mounts, err) &&
              mounts_fold(&mounts, &list, err) && note_appeared(work, &list, err) &&
              note_vanished(work, &mounts, err);
    mounts_list_free(&list);
    mounts_free(&mounts);
    return ok;
}

/* --- hooks ------------------------------------------------------------------------------- */

static unsigned phases_of(unsigned configured)
{
    return (configured & CONFIG_PHASE_PREPARE ? HOOK_EXEC_BIT(HOOK_PREPARE) : 0) |
           (configured & CONFIG_PHASE_HOLD ? HOOK_EXEC_BIT(HOOK_HOLD) : 0) |
           (configured & CONFIG_PHASE_RELEASE ? HOOK_EXEC_BIT(HOOK_RELEASE) : 0) |
           (configured & CONFIG_PHASE_FINISH ? HOOK_EXEC_BIT(HOOK_FINISH) : 0) |
           (configured & CONFIG_PHASE_STOP ? HOOK_EXEC_BIT(HOOK_STOP) : 0) |
           (configured & CONFIG_PHASE_START ? HOOK_EXEC_BIT(HOOK_START) : 0);
}

static bool add_exec(const struct work *work, const struct config_hook *hook, unsigned phases,
                     struct hook_chain *chain, struct err *err)
{
    const struct hook_exec_config config = {
        .name = hook->name,
        .path = hook->exec,
        .socket = work->config->hook_socket,
        .phases = phases_of(hook->phases & phases),
        .prepare_timeout_ms = hook->prepare_timeout_ms,
        .hold_timeout_ms = hook->hold_timeout_ms,
        .release_timeout_ms = hook->release_timeout_ms,
        .finish_timeout_ms = hook->finish_timeout_ms,
        .stop_timeout_ms = hook->stop_timeout_ms,
        .start_timeout_ms = hook->start_timeout_ms,
        .required = hook->required,
    };
    struct hook made;

    return hook_exec_new(&config, &made, err) && hook_chain_add(chain, made, err);
}

bool survey_exec_hooks(struct work *work, const struct strs *names, struct hook_chain *chain,
                       struct err *err)
{
    for (size_t i = 0; i < work->config->hook_count; i++) {
        const struct config_hook *hook = &work->config->hooks[i];
        if (strs_has(names, hook->name) &&
            !add_exec(work, hook, CONFIG_PHASE_RELEASE | CONFIG_PHASE_FINISH, chain, err))
            return err_wrap(err, "hook %s", hook->name);
    }
    return true;
}

bool survey_has_service_hooks(const struct config *config)
{
    bool has = false;

    for (size_t i = 0; i < config->hook_count; i++)
        has = has || (config->hooks[i].phases & SERVICE_PHASES) != 0;
    return has;
}

bool survey_service_hooks(struct work *work, struct hook_chain *chain, struct err *err)
{
    for (size_t i = 0; i < work->config->hook_count; i++) {
        const struct config_hook *hook = &work->config->hooks[i];
        if ((hook->phases & SERVICE_PHASES) != 0 &&
            !add_exec(work, hook, SERVICE_PHASES, chain, err))
            return err_wrap(err, "hook %s", hook->name);
    }
    return true;
}

static bool add_mysql(struct work *work, const struct config_mysql *mysql, struct err *err)
{
    const char *socket = mysql->socket[0] ? mysql->socket : db_find_socket();

    if (socket == NULL && !mysql->configured)
        return true; /* no server on this node, and nobody said that there is one */
    /* The two enums have the same values in the same order. */
    _Static_assert((int)CONFIG_DB_AUTO == (int)DB_METHOD_AUTO &&
                       (int)CONFIG_DB_NONE == (int)DB_METHOD_NONE,
                   "methods");
    const struct hook_mysql_config config = {
        .name = mysql->name,
        .socket = mysql->socket[0] ? mysql->socket : NULL,
        .user = mysql->user[0] ? mysql->user : NULL,
        .defaults_file = mysql->defaults_file[0] ? mysql->defaults_file : NULL,
        .method = (enum db_method)mysql->method,
        .exact_position = mysql->exact_position,
        .required = mysql->required,
        .lock_wait_ms = work->config->backup.lock_wait_ms,
    };
    struct hook made;

    return hook_mysql_new(&config, &made, err) && hook_chain_add(&work->hooks, made, err);
}

bool survey_hooks(struct work *work, bool with_exec, struct err *err)
{
    for (size_t i = 0; with_exec && i < work->config->hook_count; i++) {
        if ((work->config->hooks[i].phases & ~SERVICE_PHASES) != 0 &&
            !add_exec(work, &work->config->hooks[i], ~0U, &work->hooks, err))
            return err_wrap(err, "hook %s", work->config->hooks[i].name);
    }
    for (size_t i = 0; i < work->config->mysql_count; i++) {
        if (!add_mysql(work, &work->config->mysql[i], err))
            return err_wrap(err, "%s", work->config->mysql[i].name);
    }
    return true;
}

static bool ask_database(struct work *work, const struct config_mysql *mysql, int64_t deadline_ms,
                         struct db_server *server, struct err *err)
{
    const struct db_target target = {
        .socket = mysql->socket[0] ? mysql->socket : db_find_socket(),
        .user = mysql->user[0] ? mysql->user : NULL,
        .defaults_file = mysql->defaults_file[0] ? mysql->defaults_file : NULL,
    };
    struct db *db = NULL;

    if (target.socket == NULL)
        return err_set(err, ERR_NOT_FOUND, 0, "no database server's socket in the usual places");
    bool ok = db_open(&target, deadline_ms, &work->job->cancel, &db, err) &&
              db_server_ask(db, DB_METHOD_NONE, false, deadline_ms, server, err);
    db_close(db);
    return ok;
}

bool survey_databases(struct work *work, int64_t deadline_ms, struct err *err)
{
    deadline_ms = deadline_sooner(deadline_ms, DATABASE_MS);
    for (size_t i = 0; i < work->config->mysql_count; i++) {
        const struct config_mysql *mysql = &work->config->mysql[i];
        struct db_server server = DB_SERVER_INIT;
        struct err why = ERR_INIT;
        if (!ask_database(work, mysql, deadline_ms, &server, &why)) {
            if (mysql->configured || why.kind != ERR_NOT_FOUND)
                log_err(LOG_LEVEL_NOTICE, "database_not_asked", &why);
            continue;
        }
        bool ok = facts_server(work, mysql->name, &server, err);
        db_server_free(&server);
        if (!ok)
            return false;
    }
    return true;
}

/* --- plan -------------------------------------------------------------------------------- */

/* The folders of one server, as the guard sees them. Those that matter to no plan are passed over.
 *   ret_server->paths  given to the caller (free), which borrow their texts from FACTS */
static bool look_up_paths(struct work *work, const struct db_server *facts, int64_t deadline_ms,
                          struct plan_server *ret_server, struct err *err)
{
    struct plan_path *paths = calloc(facts->path_count + 1, sizeof(*paths));

    if (paths == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    ret_server->paths = paths;
    for (size_t i = 0; i < facts->path_count; i++) {
        const struct db_path *from = &facts->paths[i];
        struct plan_path *path = &paths[ret_server->path_count];
        struct guard_reply_device_of device;
        struct err why = ERR_INIT;

        if (from->role == DB_PATH_RELAY_LOG || from->role == DB_PATH_SERVER_LOG)
            continue; /* a relay log is fetched again, a server's log is no data */
        *path = (struct plan_path){.what = db_path_role_name(from->role),
                                   .path = from->path,
                                   .role = from->role == DB_PATH_BINLOG ? PLAN_BINLOG : PLAN_DATA};
        if (lease_device_of(work->lease, from->path, deadline_sooner(deadline_ms, PATH_LOOKUP_MS),
                            &device, &why)) {
            path->dev_major = device.dev_major;
            path->dev_minor = device.dev_minor;
            path->mnt_id = device.mnt_id;
        } else if (why.kind == ERR_GUARD || why.kind == ERR_CANCELLED) {
            *err = why;
            return false;
        } else {
            path->not_found = true;
            path->why = "the guard can't find it";
        }
        ret_server->path_count++;
    }
    return true;
}

static size_t gather_servers(struct work *work, struct plan_server *servers,
                             struct hook_link **links)
{
    size_t count = 0;

    for (size_t i = 0; i < work->hooks.count; i++) {
        struct hook_link *link = &work->hooks.links[i];
        if (!link->prepared || !hook_is_mysql(&link->hook))
            continue;
        const struct db_server *facts = hook_mysql_server(&link->hook);
        if (facts == NULL || facts->choice.method == DB_METHOD_NONE)
            continue;
        servers[count] = (struct plan_server){.name = link->hook.name,
                                              .required = link->hook.required,
                                              .commits_go_on = facts->choice.commits_go_on};
        links[count++] = link;
    }
    return count;
}

static bool plan_with(struct work *work, struct plan_server *servers, struct hook_link **links,
                      size_t count, int64_t deadline_ms, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!look_up_paths(work, hook_mysql_server(&links[i]->hook), deadline_ms, &servers[i], err))
            return err_wrap(err, "%s", servers[i].name);
    }
    const struct plan_input input = {
        .mounts = &work->mounts,
        .list = &work->mount_list,
        .traces = work->traces,
        .attached = work->attached,
        .attached_count = work->attached_count,
        .exclude_volumes = &work->on_loan,
        .config = &work->config->backup,
        .leave_out = &work->options.leave_out,
        .asked = work->options.asked,
        .servers = servers,
        .server_count = count,
    };
    if (!plan_make(&input, &work->plan, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (work->plan->servers[i].must_block_commits &&
            !hook_mysql_block_commits(&links[i]->hook, err))
            return err_wrap(err, "%s", servers[i].name);
    }
    return true;
}

bool survey_plan(struct work *work, int64_t deadline_ms, struct err *err)
{
    struct plan_server servers[HOOK_CHAIN_MAX];
    struct hook_link *links[HOOK_CHAIN_MAX];

    size_t count = gather_servers(work, servers, links);
    bool ok = plan_with(work, servers, links, count, deadline_ms, err);
    for (size_t i = 0; i < count; i++)
        free(servers[i].paths);
    return ok;
}
