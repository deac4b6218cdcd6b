/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/loan_status.h"

#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/daemon/loan_gate.h"
#include "agent/daemon/loan_record.h"

enum { SAY_AGAIN_MS = 60 * 60 * 1000 };

/* With agent->mutex. */
static json_t *trouble_of(struct agent *agent, const char *loan)
{
    return json_object_get(agent->loan_troubles, loan);
}

bool loan_status_note(struct agent *agent, const char *loan, const struct err *why)
{
    int64_t now_ms = clock_boot_ms();

    (void)pthread_mutex_lock(&agent->mutex);
    if (agent->loan_troubles == NULL)
        agent->loan_troubles = json_object();
    const json_t *was = trouble_of(agent, loan);
    int64_t said_ms = json_integer_value(json_object_get(was, "said_ms"));
    /* By its kind: the text has the number of the request. */
    bool say =
        why != NULL && (was == NULL || now_ms - said_ms >= SAY_AGAIN_MS ||
                        json_integer_value(json_object_get(was, "kind")) != (json_int_t)why->kind);
    if (why == NULL)
        (void)json_object_del(agent->loan_troubles, loan);
    else
        (void)json_object_set_new(agent->loan_troubles, loan,
                                  json_pack("{s:o,s:i,s:I}", "why", control_text(why->text), "kind",
                                            (int)why->kind, "said_ms",
                                            (json_int_t)(say ? now_ms : said_ms)));
    (void)pthread_mutex_unlock(&agent->mutex);
    return say;
}

static json_t *volumes_json(const struct loan *loan)
{
    json_t *list = json_array();

    for (size_t i = 0; i < loan->count; i++) {
        if (loan->volumes[i].volume_id[0] != '\0')
            (void)json_array_append_new(list, control_text(loan->volumes[i].volume_id));
    }
    return list;
}

static json_t *why_json(struct agent *agent, const char *id, const struct err *unread)
{
    if (unread->kind != ERR_NONE)
        return control_text(unread->text);
    (void)pthread_mutex_lock(&agent->mutex);
    json_t *why = json_deep_copy(json_object_get(trouble_of(agent, id), "why"));
    (void)pthread_mutex_unlock(&agent->mutex);
    return why ? why : json_null();
}

static void add_one(struct agent *agent, const char *id, bool in_use, json_t *list)
{
    char since[CLOCK_TEXT_BYTES] = "";
    struct loan loan = {.count = 0};
    struct err err = ERR_INIT;

    bool known = loan_record_read(agent->config->paths.state, id, &loan, &err);
    if (!known && err.kind == ERR_NOT_FOUND)
        return; /* it is given back by now */
    if (known)
        (void)clock_utc_text(loan.written_utc_us, since);
    (void)json_array_append_new(list,
                                json_pack("{s:s,s:s?,s:s?,s:o,s:s?,s:b,s:o}", "id", id, "backup",
                                          known ? loan.backup_id : NULL, "purpose",
                                          known ? loan_purpose_name(loan.purpose) : NULL, "volumes",
                                          volumes_json(&loan), "since", known ? since : NULL,
                                          "in_use", in_use, "why", why_json(agent, id, &err)));
    loan_free(&loan);
}

json_t *loan_status_json(struct agent *agent)
{
    struct strs ids = {NULL, 0}, active = {NULL, 0};
    struct err ignored = ERR_INIT; /* a folder that can't be read: the sweep says so */
    json_t *list = json_array();

    /* The names first, as loan_sweep.c. */
    if (loan_record_list(agent->config->paths.state, &ids, &ignored) &&
        loan_gate_list(agent, &active, &ignored)) {
        for (size_t i = 0; i < ids.count; i++)
            add_one(agent, ids.items[i], strs_has(&active, ids.items[i]), list);
    }
    strs_free(&ids);
    strs_free(&active);
    return list;
}
