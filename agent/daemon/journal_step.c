/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/journal_step.h"

static const char *const step_names[] = {
    [JOURNAL_PREPARE] = "prepare", [JOURNAL_HOLD] = "hold", [JOURNAL_RAISE] = "raise",
    [JOURNAL_DISCARD] = "discard", [JOURNAL_LENT] = "lent", [JOURNAL_ABSENT] = "absent",
};

const char *journal_step_name(enum journal_step step)
{
    return step_names[step];
}
