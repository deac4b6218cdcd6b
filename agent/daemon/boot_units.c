/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/boot_units.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>

static const char *const units[] = {"stillpoint-guard.service", "stillpoint-hook.socket",
                                    "stillpointd.service"};
static const char *const folders[] = {"/etc/systemd/system", "/usr/lib/systemd/system",
                                      "/lib/systemd/system", "/usr/local/lib/systemd/system"};

static bool matches(const char *root, const char *folder, const char *within, const char *unit)
{
    char pattern[PATH_MAX];
    glob_t found = {.gl_pathc = 0};

    (void)snprintf(pattern, sizeof(pattern), "%s%s%s/%s", root, folder, within, unit);
    bool any = glob(pattern, GLOB_NOSORT, NULL, &found) == 0 && found.gl_pathc > 0;
    globfree(&found);
    return any;
}

bool boot_units_off(const char *root, struct strs *ret_units, struct err *err)
{
    bool ok = true;

    for (size_t i = 0; ok && i < sizeof(units) / sizeof(units[0]); i++) {
        bool installed = false, wanted = false;
        for (size_t k = 0; k < sizeof(folders) / sizeof(folders[0]); k++) {
            installed = installed || matches(root, folders[k], "", units[i]);
            wanted = wanted || matches(root, folders[k], "/*.wants", units[i]) ||
                     matches(root, folders[k], "/*.requires", units[i]);
        }
        if (installed && !wanted)
            ok = strs_add(ret_units, units[i], err);
    }
    return ok;
}
