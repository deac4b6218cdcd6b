/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/device_names.h"

#include <stdio.h>
#include <string.h>

#include "agent/daemon/device_disk.h"

enum { LETTERS_BYTES = 8 };

bool device_names_taken(const struct strs *taken, const char *name)
{
    char letters[LETTERS_BYTES], other[LETTERS_BYTES];

    device_disk_letters(name, letters, sizeof(letters));
    for (size_t i = 0; i < taken->count; i++) {
        device_disk_letters(taken->items[i], other, sizeof(other));
        if (*other != '\0' && strcmp(letters, other) == 0)
            return true;
    }
    return false;
}

bool device_names_valid(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

    if (strncmp(name, "/dev/sd", 7) == 0)
        return strchr(letters + 1, name[7]) != NULL && name[7] != '\0' && name[8] == '\0';
    if (strncmp(name, "/dev/xvd", 8) != 0)
        return false;
    const char *tail = name + 8;
    bool one = tail[0] != '\0' && tail[1] == '\0';
    if (one)
        return tail[0] >= 'b' && tail[0] <= 'z';
    return tail[0] >= 'b' && tail[0] <= 'd' && tail[1] >= 'a' && tail[1] <= 'z' && tail[2] == '\0';
}

/* The N-th name in the order of preference; false: there are no more. */
static bool name_at(size_t n, char *name, size_t size)
{
    enum { SINGLE = 'z' - 'f' + 1, LETTERS = 26, DOUBLE = 3 * LETTERS };

    if (n < SINGLE)
        (void)snprintf(name, size, "/dev/sd%c", (char)('f' + (int)n));
    else if (n < SINGLE + DOUBLE)
        (void)snprintf(name, size, "/dev/xvd%c%c", (char)('b' + (int)(n - SINGLE) / LETTERS),
                       (char)('a' + (int)(n - SINGLE) % LETTERS));
    return n < SINGLE + DOUBLE;
}

bool device_names_pick(const struct strs *taken, size_t count, struct strs *ret_names,
                       struct err *err)
{
    char name[32];
    size_t found = 0;

    for (size_t n = 0; found < count && name_at(n, name, sizeof(name)); n++) {
        if (device_names_taken(taken, name))
            continue;
        if (!strs_add(ret_names, name, err))
            return false;
        found++;
    }
    if (found == count)
        return true;
    (void)err_set(err, ERR_PRECONDITION, 0,
                  "not enough free device names: %zu volume%s to be attached, %zu name%s free",
                  count, count == 1 ? " is" : "s are", found, found == 1 ? " is" : "s are");
    return err_suggest(err, "detach volumes that are not needed, or use another instance");
}
