/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_UPGRADE_LIST_H
#define STILLPOINT_UPGRADE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/daemon/strs.h"

/* What a package manager is about to do, as apt tells its hooks (apt.conf(5),
 * DPkg::Pre-Install-Pkgs, versions 2 and 3 of the protocol; our plugin for dnf writes version 2):
 *
 *     VERSION 3
 *     APT::Architecture=amd64                                 its configuration
 *                                                             an empty line
 *     kaltura-base 19.0 all none < 20.1 all none /var/…deb    one line a package
 *
 * Pure, but for upgrade_list_read. */

enum upgrade_kind { UPGRADE_UP, UPGRADE_DOWN, UPGRADE_REMOVAL };

/* Texts are printable: what is no UTF-8, and every control character, is a '?'. */
struct upgrade_item {
    char *name, *old_version, *new_version; /* of a removal the new one is NULL */
    enum upgrade_kind kind;
    size_t rank; /* the number of the pattern that it matched first */
};

enum {
    UPGRADE_BYTES_MAX = 32 * 1024 * 1024, /* of the whole list */
    UPGRADE_ITEMS_MAX = 10000             /* that match; those past it are counted */
};

struct upgrade_list {
    struct upgrade_item *items; /* by rank, then by name; each once */
    size_t count, more;         /* more: those that are not kept */
    char *root; /* not "/": the packages go into that tree; NULL: into this system */
};

/* Reads TEXT. Kept is what one of PATTERNS (fnmatch, case aside) matches and what is upgraded,
 * downgraded or removed: nothing is lost by a package that was not there, or that is put in again
 * in the same version. Our own packages are never kept.
 *   ret_list  the caller's, {0} at first; upgrade_list_free in any case
 *   false     ERR_PROTOCOL with the number of the line; ERR_INTERNAL */
bool upgrade_list_parse(const char *text, size_t len, const struct strs *patterns,
                        struct upgrade_list *ret_list, struct err *err);
/* Adds to RET_TEXT what comes from FD until its end, at most until DEADLINE_MS (clock_boot_ms).
 *   false  ERR_DEADLINE, ERR_LIMIT, ERR_SYS */
bool upgrade_list_read(int fd, int64_t deadline_ms, struct buf *ret_text, struct err *err);
void upgrade_list_free(struct upgrade_list *list); /* idempotent */

enum { UPGRADE_REASON_BYTES = 1100 };
/* "before upgrade: kaltura-base 19.0 to 20.1, mysql-server 8.0.1 to 8.0.2 and 12 more": whole
 * packages as long as a tag has room for them, the first one cut where it has not. LIST holds one
 * at least. TEXT has UPGRADE_REASON_BYTES; returns TEXT. */
char *upgrade_list_reason(const struct upgrade_list *list, char *text);

#endif
