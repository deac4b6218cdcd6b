/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_METRICS_LOOK_H
#define STILLPOINT_METRICS_LOOK_H

#include "agent/daemon/job.h"

/* Asks EC2 which sets this node has, for the metrics alone, after what has changed them; where a
 * textfile is configured, and there is a node. On JOB's thread, with its last word said. A failure
 * is a line in the log: what was known stands, with its time. */
void metrics_look(struct job *job);

#endif
