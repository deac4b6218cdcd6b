/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/metrics_look.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/daemon/agent.h"
#include "agent/daemon/inventory_gather.h"
#include "agent/daemon/metrics.h"

enum { LOOK_MS = 60000 };

void metrics_look(struct job *job)
{
    const struct config *config = job->agent->config;
    const struct inventory_query query = {.all_nodes = false};
    struct inventory inventory = {.count = 0};
    struct err err = ERR_INIT;
    struct work work;

    if (config->metrics.textfile[0] == '\0' || config->aws.identity == CONFIG_IDENTITY_NONE ||
        cancel_asked(&job->cancel))
        return;
    work_open(&work, job);
    if (inventory_gather(&work, &query, clock_boot_ms() + LOOK_MS, &inventory, &err))
        metrics_sets(job->agent->metrics, &inventory);
    else
        log_err(LOG_LEVEL_NOTICE, "metrics_sets_unknown", &err);
    inventory_free(&inventory);
    work_close(&work);
}
