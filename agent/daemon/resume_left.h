/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_RESUME_LEFT_H
#define STILLPOINT_RESUME_LEFT_H

#include "agent/daemon/journal.h"
#include "agent/daemon/work.h"

/* One entry of the journal against what EC2 has of its backup: resume.h says by which rules. */

enum left_fate {
    LEFT_SETTLED, /* the entry is gone; outcome and text say how */
    LEFT_OPEN,    /* to be looked at again; text says why */
    LEFT_QUIET,   /* nothing more is to be seen for now; the entry stays for later starts */
};

enum { LEFT_TEXT_BYTES = 400 };

struct left_note {
    const char *outcome; /* static: "adopted", "finished", "removed", "failed", "nothing", "void",
                            "released", "stands" */
    char text[LEFT_TEXT_BYTES];
    bool trouble; /* LEFT_OPEN for what went wrong, not only because EC2 takes its time */
};

/* Does what can be done now. Worker thread.
 *   work       a work of its own: identity and ec2 are there, no backup
 *   entry      its backup is filled in from EC2
 *   ret_note   set always */
enum left_fate left_settle(struct work *work, struct journal_entry *entry, int64_t deadline_ms,
                           struct left_note *ret_note);

#endif
