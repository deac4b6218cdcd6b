/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/verify_settings.h"

#include <string.h>

#include "agent/hookrun/copy_settings.h"

/* MySQL has it built in. Where the file is not there, MariaDB says so and goes on. */
static const char archive[] = "plugin_load_add=ha_archive\n";

bool verify_settings_text(const struct strs *recorded, bool mariadb, struct buf *ret_text,
                          struct strs *ret_left_out, struct err *err)
{
    const size_t room = COPY_SETTINGS_BYTES - sizeof(archive);

    for (size_t i = 0; i < recorded->count; i++) {
        const char *line = recorded->items[i];
        size_t bytes = strlen(line);
        bool fits = bytes < COPY_PATH_BYTES && ret_text->len + bytes + 1 <= room;
        bool ok = fits ? buf_printf(ret_text, err, "%s\n", line)
                       : strs_printf(ret_left_out, err, "%.*s", (int)strcspn(line, "="), line);
        if (!ok)
            return false;
    }
    return !mariadb || buf_add_text(ret_text, archive, err);
}
