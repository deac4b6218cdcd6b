/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_JOURNAL_H
#define STILLPOINT_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/backup_record.h"
#include "agent/daemon/journal_step.h"
#include "agent/daemon/strs.h"

/* What a backup is about to do, in STATE/journal/ID.json, so that whoever comes after a daemon that
 * died can settle it (resume.h). Written before the hold and after it, never in it. Each snapshot
 * of a set contains the entry of that very set as it was before the hold: so an entry is a hint
 * where to look, and EC2's tags are the truth. Any thread; one writer for each entry. */

enum { JOURNAL_BOOT_ID_BYTES = 40 };

struct journal_entry {
    enum journal_step step;
    char boot_id[JOURNAL_BOOT_ID_BYTES]; /* of the kernel that written_boot_ms is of */
    int64_t written_boot_ms;             /* when the hold was about to begin */
    int64_t written_utc_us;
    bool image; /* one is wanted */
    bool keep;  /* on_shortfall = keep: a set that proves less than it was asked to may stay */
    struct strs hooks;     /* exec hooks that were not yet told of the end, in their order */
    struct backup *backup; /* owned; volumes and what was known then */
};

/* Makes the folder in STATE, and removes what an interrupted write left in both.
 *   false  ERR_SYS with the remedy */
bool journal_open(const char *state_dir, struct err *err);
/* Writes the entry of entry->backup->id, in place of the one before; on the disk when it returns.
 *   false  ERR_SYS with the remedy; the one before stands */
bool journal_write(const char *state_dir, const struct journal_entry *entry, struct err *err);
/* Removes it; one that is not there is removed. */
bool journal_remove(const char *state_dir, const char *id, struct err *err);

/* The ids that have an entry, oldest first; names that are no ids are passed over.
 *   ret_ids  added to */
bool journal_list(const char *state_dir, struct strs *ret_ids, struct err *err);
/* The same of any FOLDER of records ID.json; one that is not there has none. */
bool journal_list_in(const char *folder, struct strs *ret_ids, struct err *err);
/*   ret_entry  given to the caller (journal_entry_free)
 *   false      ERR_NOT_FOUND, ERR_SYS; ERR_PROTOCOL: not one of ours, or a later version's */
bool journal_read(const char *state_dir, const char *id, struct journal_entry *ret_entry,
                  struct err *err);
void journal_entry_free(struct journal_entry *entry); /* idempotent */

/* This kernel's boot id into BOOT_ID (JOURNAL_BOOT_ID_BYTES), "" where it is not to be had. */
void journal_boot_id(char *boot_id);
/* How long ago the hold was about to begin, at most: by the steady clock within one boot, else the
 * time since SINCE_BOOT_MS, when this daemon started (wall clocks are set). */
int64_t journal_age_ms(const struct journal_entry *entry, int64_t since_boot_ms);

#endif
