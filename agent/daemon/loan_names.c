/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/loan_names.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/grow.h"
#include "agent/daemon/agent.h"
#include "agent/daemon/device_find.h"
#include "agent/daemon/device_names.h"

/* What EC2 shows, and where it is this node what its kernel has. */
static bool list_taken(const struct work *work, const struct ec2_instance *instance,
                       struct strs *taken, struct err *err)
{
    bool here = strcmp(instance->id, work->identity.document.instance_id) == 0;

    for (size_t i = 0; i < instance->device_count; i++) {
        if (!strs_add(taken, instance->devices[i].name, err))
            return false;
    }
    return strs_add(taken, instance->root_device_name, err) &&
           (!here || device_find_names("/sys", taken, err));
}

static bool check_wanted(const char *wanted, size_t count, struct err *err)
{
    if (count != 1) {
        (void)err_set(err, ERR_USAGE, 0, "one device name for %zu volumes", count);
        return err_suggest(err, "name the one volume with --volume, or leave --device out");
    }
    if (device_names_valid(wanted))
        return true;
    (void)err_set(err, ERR_USAGE, 0, "'%.60s' is no device name for a data volume", wanted);
    return err_suggest(err, "write /dev/sdf to /dev/sdp, or leave --device out");
}

/* --- with the agent's mutex ----------------------------------------------------------------- */

static bool add_given(const struct agent *agent, const char *instance_id, struct strs *taken,
                      struct err *err)
{
    for (size_t i = 0; i < agent->loan_name_count; i++) {
        const struct loan_name *given = &agent->loan_names[i];
        if (strcmp(given->instance, instance_id) == 0 && !strs_add(taken, given->name, err))
            return false;
    }
    return true;
}

static bool pick(const struct strs *taken, const char *instance_id, const char *wanted,
                 size_t count, struct strs *names, struct err *err)
{
    if (wanted == NULL)
        return device_names_pick(taken, count, names, err) || err_wrap(err, "%s", instance_id);
    if (!device_names_taken(taken, wanted))
        return strs_add(names, wanted, err);
    (void)err_set(err, ERR_PRECONDITION, 0, "%s is taken on %s", wanted, instance_id);
    return err_suggest(err, "choose another name, or leave --device out");
}

static bool give(struct job *job, const char *instance_id, const struct strs *names,
                 struct err *err)
{
    struct agent *agent = job->agent;

    for (size_t i = 0; i < names->count; i++) {
        struct loan_name *given =
            grow_by_one(&agent->loan_names, &agent->loan_name_count, sizeof(*given));
        if (given == NULL)
            return err_set(err, ERR_INTERNAL, 0, "out of memory");
        given->job = job;
        (void)snprintf(given->instance, sizeof(given->instance), "%s", instance_id);
        (void)snprintf(given->name, sizeof(given->name), "%s", names->items[i]);
    }
    return true;
}

/* --- all of it ------------------------------------------------------------------------------ */

/*   taken      of the instance; added to
 *   ret_names  added to: COUNT names, the job's own now */
static bool take(struct job *job, const char *instance_id, struct strs *taken, const char *wanted,
                 size_t count, struct strs *ret_names, struct err *err)
{
    struct agent *agent = job->agent;

    (void)pthread_mutex_lock(&agent->mutex);
    bool ok = add_given(agent, instance_id, taken, err) &&
              pick(taken, instance_id, wanted, count, ret_names, err) &&
              give(job, instance_id, ret_names, err);
    (void)pthread_mutex_unlock(&agent->mutex);
    return ok;
}

static bool place(struct work *work, const struct ec2_instance *instance, const char *wanted,
                  struct loan_volume *volumes, size_t count, struct err *err)
{
    struct strs taken = {NULL, 0}, names = {NULL, 0};

    bool ok = list_taken(work, instance, &taken, err) &&
              take(work->job, instance->id, &taken, wanted, count, &names, err);
    for (size_t i = 0; ok && i < count; i++)
        (void)snprintf(volumes[i].attach_device, sizeof(volumes[i].attach_device), "%s",
                       names.items[i]);
    strs_free(&taken);
    strs_free(&names);
    return ok;
}

bool loan_place(struct work *work, const struct ec2_instance *instance, const char *wanted,
                struct loan *loan, struct err *err)
{
    loan->name_wanted = wanted != NULL;
    return (wanted == NULL || check_wanted(wanted, loan->count, err)) &&
           place(work, instance, wanted, loan->volumes, loan->count, err);
}

bool loan_place_next(struct work *work, const char *instance_id, struct loan_volume *volume,
                     int64_t deadline_ms, struct err *err)
{
    struct ec2_instance *instance = NULL;

    /* The name that is taken stays given, and so is not given again. */
    bool ok = ec2_describe_instance(work->ec2, instance_id, deadline_ms, &work->job->cancel,
                                    &instance, err) &&
              place(work, instance, NULL, volume, 1, err);
    ec2_instance_free(instance);
    return ok;
}

void loan_names_leave(struct agent *agent, const struct job *job)
{
    size_t kept = 0;

    (void)pthread_mutex_lock(&agent->mutex);
    for (size_t i = 0; i < agent->loan_name_count; i++) {
        if (agent->loan_names[i].job != job)
            agent->loan_names[kept++] = agent->loan_names[i];
    }
    agent->loan_name_count = kept;
    (void)pthread_mutex_unlock(&agent->mutex);
}
