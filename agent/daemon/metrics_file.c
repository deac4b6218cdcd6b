/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/metrics_file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/fileio.h"
#include "agent/base/log.h"

enum { FOLDER_MODE = 0755, FILE_MODE = 0644, CLOSE_MS = 2000, NS_PER_MS = 1000000 };

struct metrics_file {
    char path[PATH_MAX], folder[PATH_MAX];
    struct quiet *quiet;
    uv_thread_t thread;
    uv_mutex_t mutex; /* guards all below; held while nothing is written */
    uv_cond_t changed;
    struct buf text; /* to be written next */
    bool offered;    /* there is such a text */
    uint64_t asked, done;
    int64_t written_utc_us;
    struct err err; /* of the last write; ERR_NONE: it went well */
    bool stop, ended;
};

static bool write_once(struct metrics_file *file, const struct buf *text, struct err *err)
{
    struct err ignored = ERR_INIT;

    /* The one in /run is gone after a boot. Where this fails the next line says it better. */
    (void)fileio_mkdir(file->folder, FOLDER_MODE, &ignored);
    if (fileio_replace(file->path, text->data, text->len, FILE_MODE, err))
        return true;
    return fileio_suggest_room(file->folder, err);
}

/* With the mutex. One line where it begins and one where it is over: the file is written often. */
static void note(struct metrics_file *file, bool ok, const struct err *err)
{
    if (!ok && file->err.kind == ERR_NONE)
        log_err(LOG_LEVEL_WARNING, "metrics_not_written", err);
    if (ok && file->err.kind != ERR_NONE)
        log_event(LOG_LEVEL_NOTICE, "metrics_written", "path=%s", file->path);
    file->err = ok ? (struct err)ERR_INIT : *err;
    if (ok)
        file->written_utc_us = clock_utc_us();
}

static void run(void *self)
{
    struct metrics_file *file = self;

    uv_mutex_lock(&file->mutex);
    for (;;) {
        struct err err = ERR_INIT;
        while (!file->offered && !file->stop)
            uv_cond_wait(&file->changed, &file->mutex);
        if (!file->offered)
            break;
        uv_mutex_unlock(&file->mutex);
        quiet_enter(file->quiet, QUIET_FILE);
        uv_mutex_lock(&file->mutex);
        struct buf text = file->text; /* the last that was offered, after the wait */
        file->text = (struct buf)BUF_INIT(0);
        file->offered = false;
        uint64_t asked = file->asked;
        uv_mutex_unlock(&file->mutex);
        bool ok = write_once(file, &text, &err);
        quiet_leave(file->quiet, QUIET_FILE);
        buf_free(&text);
        uv_mutex_lock(&file->mutex);
        note(file, ok, &err);
        file->done = asked;
        uv_cond_broadcast(&file->changed);
    }
    file->ended = true;
    uv_cond_broadcast(&file->changed);
    uv_mutex_unlock(&file->mutex);
}

static void free_all(struct metrics_file *file)
{
    uv_cond_destroy(&file->changed);
    uv_mutex_destroy(&file->mutex);
    buf_free(&file->text);
    free(file);
}

bool metrics_file_open(const char *path, struct quiet *quiet, struct metrics_file **ret_file,
                       struct err *err)
{
    struct metrics_file *file = calloc(1, sizeof(*file));

    if (file == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    (void)snprintf(file->path, sizeof(file->path), "%s", path);
    (void)snprintf(file->folder, sizeof(file->folder), "%s", path);
    char *slash = strrchr(file->folder, '/');
    if (slash != NULL)
        slash[slash == file->folder] = '\0';
    file->quiet = quiet;
    (void)uv_mutex_init(&file->mutex);
    (void)uv_cond_init(&file->changed);
    if (!quiet_thread(&file->thread, run, file, err)) {
        free_all(file);
        return false;
    }
    *ret_file = file;
    return true;
}

void metrics_file_offer(struct metrics_file *file, struct buf *take_text)
{
    uv_mutex_lock(&file->mutex);
    buf_free(&file->text);
    file->text = *take_text;
    file->offered = true;
    file->asked++;
    uv_cond_broadcast(&file->changed);
    uv_mutex_unlock(&file->mutex);
    *take_text = (struct buf)BUF_INIT(0);
}

/* With the mutex: waits for *IS to become what is wanted. False: the deadline has passed. */
static bool wait_changed(struct metrics_file *file, int64_t deadline_ms)
{
    int64_t left_ms = deadline_ms - clock_boot_ms();

    if (left_ms <= 0)
        return false;
    (void)uv_cond_timedwait(&file->changed, &file->mutex, (uint64_t)left_ms * NS_PER_MS);
    return true;
}

bool metrics_file_wait(struct metrics_file *file, int64_t deadline_ms, struct err *err)
{
    uv_mutex_lock(&file->mutex);
    uint64_t asked = file->asked;
    bool in_time = true;
    while (file->done < asked && in_time)
        in_time = wait_changed(file, deadline_ms);
    bool done = file->done >= asked, ok = done && file->err.kind == ERR_NONE;
    if (done && !ok)
        *err = file->err;
    uv_mutex_unlock(&file->mutex);
    if (done)
        return ok;
    (void)err_set(err, ERR_DEADLINE, 0, "%s: writing it does not come back", file->path);
    return err_suggest(err, "see whether %s hangs (a network mount?); better: a folder in /run",
                       file->folder);
}

void metrics_file_tell(struct metrics_file *file, int64_t *ret_written_utc_us, struct err *ret_err)
{
    uv_mutex_lock(&file->mutex);
    *ret_written_utc_us = file->written_utc_us;
    *ret_err = file->err;
    uv_mutex_unlock(&file->mutex);
}

bool metrics_file_close(struct metrics_file *take_file)
{
    int64_t deadline_ms = clock_boot_ms() + CLOSE_MS;
    bool in_time = true;

    uv_mutex_lock(&take_file->mutex);
    take_file->stop = true;
    uv_cond_broadcast(&take_file->changed);
    while (!take_file->ended && in_time)
        in_time = wait_changed(take_file, deadline_ms);
    bool ended = take_file->ended;
    uv_mutex_unlock(&take_file->mutex);
    if (!ended)
        return false;
    (void)uv_thread_join(&take_file->thread);
    free_all(take_file);
    return true;
}
