/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/hook_ready.h"

#include "agent/base/clock.h"
#include "agent/daemon/copy.h"
#include "agent/daemon/job.h"

enum { ASK_MS = 10000 };

static bool ask(struct work *work, const struct copy_config *config, bool preview, struct err *err)
{
    if (copy_ask(config, preview, clock_boot_ms() + ASK_MS, &work->job->cancel, err))
        return true;
    if (err->kind != ERR_CANCELLED && err->kind != ERR_CONFIG && err->kind != ERR_INTERNAL)
        err->kind = ERR_PRECONDITION;
    return false;
}

bool hook_ready(struct work *work, struct err *err)
{
    const struct copy_config config = {.socket = work->config->hook_socket, .backup = ""};

    return ask(work, &config, false, err);
}

bool hook_ready_to_write(struct work *work, const char *backup, const char *to, bool preview,
                         struct err *err)
{
    const struct copy_config config = {
        .socket = work->config->hook_socket, .backup = backup, .destination = to};

    return ask(work, &config, preview, err);
}
