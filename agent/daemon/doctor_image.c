/* SPDX-License-Identifier: BSD-2-Clause */
/* What the doctor says of the image that this node was launched from, and of one that would be made
 * of it: another's state, keys in files, units that no boot starts. */
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/daemon/boot_units.h"
#include "agent/daemon/doctor_parts.h"
#include "agent/daemon/static_keys.h"
#include "agent/guard/guard_wire.h"

enum { PLACES_MAX = 5 };

/* A disk that comes from a backup has the manifest of it, and its owner's state by design. */
static void check_origin(struct doctor *doctor)
{
    const char *now = doctor->work.identity.document.instance_id;
    char was[IMDS_ID_BYTES], text[DOCTOR_TEXT_BYTES];

    identity_came_from(doctor->work.config->paths.state, now, was);
    if (was[0] == '\0')
        return;
    if (access("/" GUARD_MANIFEST_NAME, F_OK) == 0) {
        (void)snprintf(text, sizeof(text), "its disks come from a backup of %s", was);
        doctor_say(doctor, "image", "ok", text, NULL);
        return;
    }
    (void)snprintf(text, sizeof(text),
                   "the image that this node began with was not sealed: the state of %s was in it, "
                   "and is dropped",
                   was);
    doctor_say(doctor, "image", "warning", text,
               "nothing to do here; end the image's build with `stillpoint seal`");
}

static void check_keys(struct doctor *doctor)
{
    struct strs places = {NULL, 0};
    char home[PATH_MAX], text[DOCTOR_TEXT_BYTES];
    struct err err = ERR_INIT;

    if (!static_keys_find("", doctor->work.config->path, static_keys_home(home) ? home : NULL,
                          &places, &err))
        doctor_say(doctor, "credentials", "warning", err.text, NULL);
    for (size_t i = 0; i < places.count && i < PLACES_MAX; i++) {
        (void)snprintf(text, sizeof(text), "a secret access key of AWS stands in %s",
                       places.items[i]);
        doctor_say(doctor, "credentials", "warning", text,
                   "give the instance a role, and remove the key: each copy of this disk has it");
    }
    strs_free(&places);
}

static void check_units(struct doctor *doctor)
{
    struct strs off = {NULL, 0};
    char text[DOCTOR_TEXT_BYTES], remedy[DOCTOR_TEXT_BYTES];
    struct err err = ERR_INIT;

    if (!boot_units_off("", &off, &err))
        doctor_say(doctor, "units", "warning", err.text, NULL);
    for (size_t i = 0; i < off.count; i++) {
        (void)snprintf(text, sizeof(text), "%s does not start at boot", off.items[i]);
        (void)snprintf(remedy, sizeof(remedy), "systemctl enable %s", off.items[i]);
        doctor_say(doctor, "units", "warning", text, remedy);
    }
    strs_free(&off);
}

void doctor_check_image(struct doctor *doctor)
{
    check_origin(doctor);
    check_keys(doctor);
    check_units(doctor);
}
