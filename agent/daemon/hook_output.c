/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/hook_output.h"

#include <string.h>

#include "agent/base/log.h"
#include "hooks/hook_exec.h"

enum { LINE_BYTES = 512 }; /* of one event; a longer line goes on in the next */

static const char *const phases[HOOK_PHASE_COUNT] = {
    [HOOK_PREPARE] = "prepare", [HOOK_HOLD] = "hold", [HOOK_RELEASE] = "release",
    [HOOK_FINISH] = "finish",   [HOOK_STOP] = "stop", [HOOK_START] = "start",
};

static void log_line(const struct hook *hook, enum hook_phase phase, const char *id,
                     const char *bytes, size_t len)
{
    char text[LINE_BYTES + 1], quoted[LOG_QUOTE_BYTES];

    for (size_t i = 0; i < len; i++)
        text[i] = bytes[i] != '\0' ? bytes[i] : '?';
    text[len] = '\0';
    log_event(LOG_LEVEL_INFO, "hook_output", "id=%s hook=%s phase=%s text=%s", id, hook->name,
              phases[phase], log_quote(text, quoted));
}

static void log_phase(const struct hook *hook, enum hook_phase phase, const char *id)
{
    size_t len = 0;
    const char *bytes = hook_exec_output(hook, phase, &len);

    for (size_t at = 0; at < len;) {
        const char *end = memchr(bytes + at, '\n', len - at);
        size_t line = end != NULL ? (size_t)(end - bytes) - at : len - at;
        size_t take = line < LINE_BYTES ? line : LINE_BYTES;
        if (take > 0)
            log_line(hook, phase, id, bytes + at, take);
        at += take + (end != NULL && take == line); /* with its line end */
    }
}

void hook_output_log(const struct hook_chain *chain, const char *id)
{
    for (size_t i = 0; i < chain->count; i++) {
        const struct hook *hook = &chain->links[i].hook;
        for (int phase = HOOK_PREPARE; hook_is_exec(hook) && phase < HOOK_PHASE_COUNT; phase++)
            log_phase(hook, (enum hook_phase)phase, id);
    }
}
