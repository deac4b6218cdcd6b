/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_LOAN_RECORD_H
#define STILLPOINT_LOAN_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/backup_record.h"
#include "agent/daemon/journal.h"
#include "aws/ec2_describe.h"

/* Volumes on loan as they are kept in STATE/loans/LOAN-ID.json, so that whoever comes after a
 * daemon that died can give them back (loan_sweep.h). Written before the first volume is asked
 * for. As with the journal an entry is a hint: it may have come with a restored disk, so nothing is
 * deleted that EC2's tags do not call a volume of this very loan. */

#define LOAN_TAG         "stillpoint:loan"    /* on a volume: the loan that it is of */
#define LOAN_TAG_PURPOSE "stillpoint:purpose" /* and what for */

enum { LOAN_ID_BYTES = BACKUP_ID_BYTES, LOAN_VOLUMES_MAX = EC2_DEVICES_MAX };

enum loan_purpose { LOAN_VERIFY, LOAN_FILES, LOAN_RESTORE };
/* "verify", "files", "restore". Static. */
const char *loan_purpose_name(enum loan_purpose purpose);

enum loan_step {
    LOAN_LENT,   /* to be given back */
    LOAN_HANDING /* about to become the operator's: what still has the tag loses it */
};

struct loan_volume {
    char snapshot_id[EC2_ID_BYTES];
    char source_id[EC2_ID_BYTES];       /* the volume that the snapshot was taken of */
    char source_device[EC2_NAME_BYTES]; /* its name in the set: "/dev/sdf"; "" */
    char volume_id[EC2_ID_BYTES];       /* "" until EC2 has named it */
    char attach_device[EC2_NAME_BYTES]; /* the name to attach it under; "" */
    char kernel_device[EC2_NAME_BYTES]; /* "/dev/nvme3n1", once found; "" */
    uint32_t dev_major, dev_minor;      /* of that */
    int64_t size_gib;                   /* BACKUP_UNKNOWN */
    bool asked;                         /* CreateVolume may have reached EC2 */
    bool attached;                      /* AttachVolume may have */
};

struct loan {
    char id[LOAN_ID_BYTES]; /* "ln-20261129T081530Z-k3f9x"; "": there is none */
    char backup_id[BACKUP_ID_BYTES];
    char instance[EC2_ID_BYTES]; /* whose daemon gives it back; "" without identity */
    enum loan_purpose purpose;
    enum loan_step step;
    bool name_wanted;                    /* by the operator: it is that one or none. Not kept */
    char boot_id[JOURNAL_BOOT_ID_BYTES]; /* of written_boot_ms */
    int64_t written_boot_ms, written_utc_us;
    struct loan_volume *volumes;
    size_t count;
};

/* "ln-…" into ID (LOAN_ID_BYTES). */
bool loan_id_new(int64_t now_utc_us, char *id, struct err *err);
bool loan_is_id(const char *text);
void loan_free(struct loan *loan); /* idempotent; the entry stays */

/* As journal_write: in place of the one before, on the disk when it returns; makes the folder. */
bool loan_record_write(const char *state_dir, const struct loan *loan, struct err *err);
bool loan_record_remove(const char *state_dir, const char *id, struct err *err);
/* Ids that have an entry, oldest first. What an interrupted write left is removed.
 *   ret_ids  added to */
bool loan_record_list(const char *state_dir, struct strs *ret_ids, struct err *err);
/*   ret_loan  given to the caller (loan_free)
 *   false     ERR_NOT_FOUND, ERR_SYS; ERR_PROTOCOL: not one of ours, or a later version's */
bool loan_record_read(const char *state_dir, const char *id, struct loan *ret_loan,
                      struct err *err);

#endif
