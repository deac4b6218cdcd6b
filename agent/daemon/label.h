/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_LABEL_H
#define STILLPOINT_LABEL_H

#include <stdbool.h>

/* How consistent a backup is: INTERFACE.md, Labels. Ordered: a smaller one promises less, so the
 * label of a backup is the smallest that any fact allows. */
enum label {
    LABEL_UNCONFIRMED = 0, /* written at creation, before the proof */
    LABEL_CRASH = 1,       /* EC2's own multi-volume instant only */
    LABEL_FILESYSTEM = 2,  /* every mount was frozen throughout, some application was not held */
    LABEL_APPLICATION = 3, /* every configured hook held, every mount frozen, both proved */
};

/* "unconfirmed", "crash", "filesystem", "application". Static. */
const char *label_name(enum label label);
/* Reads those names; false and untouched for anything else. */
bool label_parse(const char *text, enum label *ret_label);
enum label label_lower(enum label a, enum label b);

#endif
