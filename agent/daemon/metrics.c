/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/metrics.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/base/fileio.h"
#include "agent/base/log.h"
#include "agent/daemon/journal.h"
#include "agent/daemon/metrics_file.h"
#include "agent/daemon/metrics_text.h"
#include "agent/daemon/ping.h"

struct metrics {
    const char *state_dir, *textfile; /* the configuration's */
    struct quiet quiet;
    struct metrics_file *file; /* NULL: none is written */
    struct ping *ping;         /* NULL: nobody is pinged */
    uv_mutex_t mutex;          /* guards all below; never held while something is written */
    struct metrics_record record;
    bool known;          /* the record is this node's, and may be shown */
    struct err save_err; /* of the last write of the record; ERR_NONE: it went well */
};

/* --- the record --------------------------------------------------------------------------------
 */

static char *record_path(const struct metrics *metrics, char *path)
{
    (void)snprintf(path, PATH_MAX, "%s/" METRICS_RECORD_NAME, metrics->state_dir);
    return path;
}

/* One that can't be read is as good as none: nothing of it can be claimed. */
static void load(struct metrics *metrics)
{
    struct buf text = BUF_INIT(METRICS_BYTES_MAX);
    struct err err = ERR_INIT;
    char path[PATH_MAX], boot[JOURNAL_BOOT_ID_BYTES];

    metrics->record.exit_code = -1;
    if ((!fileio_read(record_path(metrics, path), &text, &err) ||
         !metrics_record_read(buf_text(&text), text.len, &metrics->record, &err)) &&
        err.kind != ERR_NOT_FOUND)
        log_err(LOG_LEVEL_WARNING, "metrics_lost", &err);
    buf_free(&text);
    journal_boot_id(boot);
    metrics->known = boot[0] != '\0' && strcmp(boot, metrics->record.boot) == 0;
    memcpy(metrics->record.boot, boot, sizeof(boot));
}

/* With the mutex: logs where it begins to fail and where that is over. */
static void note_save(struct metrics *metrics, bool ok, const struct err *err)
{
    if (!ok && metrics->save_err.kind == ERR_NONE)
        log_err(LOG_LEVEL_WARNING, "metrics_not_kept", err);
    metrics->save_err = ok ? (struct err)ERR_INIT : *err;
}

/* What is written is what is known once it is our turn: the last write has the last of it. */
static void save(struct metrics *metrics)
{
    struct buf text = BUF_INIT(METRICS_BYTES_MAX);
    struct err err = ERR_INIT;
    char path[PATH_MAX];

    quiet_enter(&metrics->quiet, QUIET_RECORD);
    uv_mutex_lock(&metrics->mutex);
    bool ok = metrics_record_write(&metrics->record, &text, &err);
    uv_mutex_unlock(&metrics->mutex);
    ok = ok && (fileio_replace(record_path(metrics, path), text.data, text.len, 0600, &err) ||
                fileio_suggest_room(metrics->state_dir, &err));
    quiet_leave(&metrics->quiet, QUIET_RECORD);
    buf_free(&text);
    uv_mutex_lock(&metrics->mutex);
    note_save(metrics, ok, &err);
    uv_mutex_unlock(&metrics->mutex);
}

/* With the mutex, so that texts are offered in the order of what they say. */
static void show(struct metrics *metrics)
{
    struct buf text = BUF_INIT(METRICS_TEXT_BYTES_MAX);
    struct err err = ERR_INIT;

    if (metrics->file == NULL || !metrics->known)
        return;
    if (metrics_text(&metrics->record, &text, &err))
        metrics_file_offer(metrics->file, &text);
    else
        log_err(LOG_LEVEL_WARNING, "metrics_not_written", &err);
    buf_free(&text);
}

/* --- the ping ----------------------------------------------------------------------------------
 */

/* With the mutex. What the watcher's log will show; our errors have no secrets.
 *   label  proved of its set; unconfirmed: nothing, or there is none */
static void ping_result(struct metrics *metrics, enum label label)
{
    const struct metrics_record *record = &metrics->record;
    char body[PING_BODY_BYTES], host[256] = "";

    if (metrics->ping == NULL)
        return;
    (void)gethostname(host, sizeof(host) - 1);
    metrics_text_ended(record, label, host, body, sizeof(body));
    ping_add(metrics->ping, record->result == METRICS_SUCCESS ? PING_SUCCESS : PING_FAIL,
             record->ended.id, body);
}

/* What its daemon died in; its set may have been proved before. */
static void ping_interrupted(struct metrics *metrics)
{
    const struct metrics_record *record = &metrics->record;
    bool has_set = strcmp(record->set.id, record->ended.id) == 0;

    ping_result(metrics, has_set ? record->set.label : LABEL_UNCONFIRMED);
}

/* --- its life ----------------------------------------------------------------------------------
 */

static bool open_ways(struct metrics *metrics, const struct config *config, struct err *err)
{
    return (metrics->textfile[0] == '\0' ||
            metrics_file_open(metrics->textfile, &metrics->quiet, &metrics->file, err)) &&
           (!secret_is_set(&config->metrics.ping) ||
            ping_open(&config->metrics.ping, &metrics->quiet, &metrics->ping, err));
}

bool metrics_open(const struct config *config, struct metrics **ret_metrics, struct err *err)
{
    *ret_metrics = NULL;
    if (config->metrics.textfile[0] == '\0' && !secret_is_set(&config->metrics.ping))
        return true;
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    if (metrics == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    metrics->state_dir = config->paths.state;
    metrics->textfile = config->metrics.textfile;
    quiet_open(&metrics->quiet);
    (void)uv_mutex_init(&metrics->mutex);
    load(metrics);
    metrics->known = metrics->known || config->aws.identity == CONFIG_IDENTITY_NONE;
    if (!open_ways(metrics, config, err)) {
        (void)metrics_close(metrics);
        return err_wrap(err, "[metrics]");
    }
    bool died = metrics_record_interrupt(&metrics->record, clock_utc_us());
    if (died)
        save(metrics);
    uv_mutex_lock(&metrics->mutex);
    show(metrics);
    if (died && metrics->known)
        ping_interrupted(metrics);
    uv_mutex_unlock(&metrics->mutex);
    *ret_metrics = metrics;
    return true;
}

bool metrics_close(struct metrics *take_metrics)
{
    if (take_metrics == NULL)
        return true;
    bool file = take_metrics->file == NULL || metrics_file_close(take_metrics->file);
    bool ping = take_metrics->ping == NULL || ping_close(take_metrics->ping);
    if (!file || !ping)
        return false;
    uv_mutex_destroy(&take_metrics->mutex);
    quiet_close(&take_metrics->quiet);
    free(take_metrics);
    return true;
}

/* --- what happens ------------------------------------------------------------------------------
 */

/* The record was changed, with the mutex: shows it, lets go of the mutex, and keeps it. */
static void changed(struct metrics *metrics)
{
    show(metrics);
    uv_mutex_unlock(&metrics->mutex);
    save(metrics);
}

void metrics_own(struct metrics *metrics, const char *instance)
{
    if (metrics == NULL)
        return;
    uv_mutex_lock(&metrics->mutex);
    bool fresh = !metrics->known;
    metrics->known = true;
    bool other = metrics_record_own(&metrics->record, instance);
    if (fresh && !other && metrics->record.result == METRICS_INTERRUPTED)
        ping_interrupted(metrics); /* of before the boot: now it is known whose it is */
    if (fresh || other)
        changed(metrics);
    else
        uv_mutex_unlock(&metrics->mutex);
}

void metrics_begin(struct metrics *metrics, const char *id)
{
    char body[PING_BODY_BYTES];

    if (metrics == NULL)
        return;
    uv_mutex_lock(&metrics->mutex);
    metrics->known = true; /* what is to come of it is this node's in any case */
    metrics_record_begin(&metrics->record, id, clock_utc_us());
    if (metrics->ping != NULL) {
        (void)snprintf(body, sizeof(body), "%s begins\n", id);
        ping_add(metrics->ping, PING_START, id, body);
    }
    changed(metrics);
}

void metrics_cut(struct metrics *metrics, const struct backup *backup)
{
    if (metrics == NULL)
        return;
    uv_mutex_lock(&metrics->mutex);
    metrics_record_cut(&metrics->record, backup);
    changed(metrics);
}

void metrics_end(struct metrics *metrics, const struct metrics_ending *ending)
{
    if (metrics == NULL)
        return;
    uv_mutex_lock(&metrics->mutex);
    bool shown = metrics_record_end(&metrics->record, ending, clock_utc_us());
    if (shown && !metrics->record.waits)
        ping_result(metrics, ending->label);
    changed(metrics);
}

void metrics_settled(struct metrics *metrics, const struct backup *backup, const char *outcome,
                     bool image)
{
    bool complete = strcmp(outcome, "finished") == 0 || strcmp(outcome, "adopted") == 0;
    bool gone = strcmp(outcome, "removed") == 0 || strcmp(outcome, "failed") == 0 ||
                strcmp(outcome, "nothing") == 0;
    bool as_asked = backup->consistency >= backup->asked && (!image || backup->image.id != NULL);

    if (metrics == NULL || (!complete && !gone))
        return;
    uv_mutex_lock(&metrics->mutex);
    if (metrics_record_settle(&metrics->record, backup, complete, as_asked, clock_utc_us()))
        ping_result(metrics, complete ? backup->consistency : LABEL_UNCONFIRMED);
    changed(metrics);
}

void metrics_lent(struct metrics *metrics, bool lasted, int64_t hold_us)
{
    if (metrics == NULL)
        return;
    uv_mutex_lock(&metrics->mutex);
    metrics_record_lent(&metrics->record, lasted, hold_us, clock_utc_us());
    changed(metrics);
}

void metrics_verified(struct metrics *metrics, const char *id, const struct verify_verdict *verdict)
{
    if (metrics == NULL)
        return;
    uv_mutex_lock(&metrics->mutex);
    metrics_record_verified(&metrics->record, id, verdict);
    changed(metrics);
}

void metrics_sets(struct metrics *metrics, const struct inventory *inventory)
{
    if (metrics == NULL)
        return;
    uv_mutex_lock(&metrics->mutex);
    metrics_record_sets(&metrics->record, inventory, clock_utc_us());
    changed(metrics);
}

void metrics_hold(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    quiet_hold(&metrics->quiet);
    if (metrics->ping != NULL)
        ping_hush(metrics->ping);
    quiet_settle(&metrics->quiet);
}

void metrics_release(struct metrics *metrics)
{
    if (metrics != NULL)
        quiet_release(&metrics->quiet);
}

/* --- what is told of it ------------------------------------------------------------------------
 */

static json_t *text_or_null(const char *text)
{
    return text[0] != '\0' ? control_text(text) : json_null();
}

static json_t *time_or_null(int64_t utc_us)
{
    char text[CLOCK_TEXT_BYTES];

    return utc_us != 0 ? json_string(clock_utc_text(utc_us, text)) : json_null();
}

static json_t *ping_json(struct metrics *metrics)
{
    struct ping_told told = {.at_utc_us = 0};

    if (metrics->ping == NULL)
        return json_null();
    ping_tell(metrics->ping, &told);
    return json_pack("{s:o,s:o,s:o}", "at", time_or_null(told.at_utc_us), "kind",
                     told.at_utc_us != 0 ? json_string(ping_kind_name(told.kind)) : json_null(),
                     "trouble", text_or_null(told.err.text));
}

json_t *metrics_json(struct metrics *metrics)
{
    int64_t written_utc_us = 0;
    struct err err = ERR_INIT;

    if (metrics == NULL)
        return json_null();
    if (metrics->file != NULL)
        metrics_file_tell(metrics->file, &written_utc_us, &err);
    uv_mutex_lock(&metrics->mutex);
    if (err.kind == ERR_NONE)
        err = metrics->save_err;
    uv_mutex_unlock(&metrics->mutex);
    return json_pack("{s:o,s:o,s:o,s:o}", "textfile", text_or_null(metrics->textfile), "written_at",
                     time_or_null(written_utc_us), "trouble", text_or_null(err.text), "ping",
                     ping_json(metrics));
}

bool metrics_ping_went_well(struct metrics *metrics, struct err *err)
{
    struct ping_told told = {.at_utc_us = 0};

    if (metrics->ping != NULL)
        ping_tell(metrics->ping, &told);
    if (told.err.kind == ERR_NONE)
        return true;
    *err = told.err;
    return false;
}

bool metrics_try(struct metrics *metrics, int64_t deadline_ms, struct err *err)
{
    save(metrics);
    uv_mutex_lock(&metrics->mutex);
    show(metrics);
    bool kept = metrics->save_err.kind == ERR_NONE, known = metrics->known;
    if (!kept)
        *err = metrics->save_err;
    uv_mutex_unlock(&metrics->mutex);
    if (!kept || metrics->file == NULL)
        return kept;
    if (!known)
        return err_set(err, ERR_IMDS, 0, "%s is not written: who this node is is not known yet",
                       metrics->textfile);
    return metrics_file_wait(metrics->file, deadline_ms, err);
}
