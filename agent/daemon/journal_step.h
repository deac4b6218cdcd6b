/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_JOURNAL_STEP_H
#define STILLPOINT_JOURNAL_STEP_H

/* How far an entry of the journal is (journal.h), and how long. Apart from it, since the client
 * knows the words and should not carry with them all that speaks to EC2. */

enum journal_step {
    JOURNAL_PREPARE, /* nothing was asked of EC2 yet, but exec hooks were prepared */
    JOURNAL_HOLD,    /* the request may have been sent: what EC2 has is looked for */
    JOURNAL_RAISE,   /* the label in `backup` was proved: it may be written into the tags */
    JOURNAL_DISCARD, /* whatever was made is to go */
    JOURNAL_LENT,    /* held for somebody else: hooks may be held, EC2 is asked for nothing */
    JOURNAL_ABSENT,  /* looked for long enough, nothing was there; a last look at each start */
    JOURNAL_STEP_COUNT,
};

enum { JOURNAL_BYTES_MAX = 512 * 1024 }; /* an entry's */

/* A step's word in the file and in `status`: "prepare", "hold", "raise", … Static. */
const char *journal_step_name(enum journal_step step);

#endif
