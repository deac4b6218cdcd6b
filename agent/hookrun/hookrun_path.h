/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_PATH_H
#define STILLPOINT_HOOKRUN_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/hookrun/hook_wire.h"

struct hookrun_verdict {
    enum hook_refusal refusal; /* HOOK_REFUSAL_NONE: it may run */
    int os_errno;
    uint32_t component_bytes; /* how much of the path names the culprit */
};

/* May root run the program at PATH? Every component, from the root folder to the file, has to be
 * OWNER's (0 but in tests), writable by its owner alone, and no symbolic link; the file regular and
 * executable by its owner. What passes can be changed by them alone, so it can be run by its path
 * afterwards. Access lists are covered: their mask is what the group bits show. */
struct hookrun_verdict hookrun_path_judge(const char *path, uid_t owner);

#endif
