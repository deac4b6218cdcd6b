/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_METRICS_H
#define STILLPOINT_METRICS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/config.h"
#include "agent/daemon/metrics_record.h"

/* What monitoring sees of this node ([metrics]): node_exporter's file and the dead-man's ping, from
 * one record in the state directory. Any thread. Nothing here fails or delays a backup beyond the
 * write of the record, which is done as the journal's is: on the job's thread, before the hold and
 * after it, and waits for the end of somebody else's hold. File and ping have threads of their own.
 *
 * NULL everywhere below: nothing is configured, and nothing is done. */
struct metrics;

/* Reads what the last daemon left: what ran then has failed. Nothing of it is shown before it is
 * known that this is still the same node (metrics_own), or in the same boot.
 *   ret_metrics  NULL where nothing is configured
 *   false        ERR_SYS, ERR_INTERNAL */
bool metrics_open(const struct config *config, struct metrics **ret_metrics, struct err *err);
/* No job runs any more. Writes and sends what is left, for a few seconds at most.
 *   false  a thread hangs, and goes with the process */
bool metrics_close(struct metrics *take_metrics);

/* The node is INSTANCE: a record that came here with a copy of another's disks is dropped. */
void metrics_own(struct metrics *metrics, const char *instance);

/* A backup: begun, before anything is held; its set made and proved; ended. */
void metrics_begin(struct metrics *metrics, const char *id);
void metrics_cut(struct metrics *metrics, const struct backup *backup);
void metrics_end(struct metrics *metrics, const struct metrics_ending *ending);
/* What was left open is settled: resume.h's outcome ("finished", "removed", …).
 *   image  one was wanted */
void metrics_settled(struct metrics *metrics, const struct backup *backup, const char *outcome,
                     bool image);
/* A hold for somebody else's snapshots has ended, or did not come to be: metrics_record.h. */
void metrics_lent(struct metrics *metrics, bool lasted, int64_t hold_us);
void metrics_verified(struct metrics *metrics, const char *id,
                      const struct verify_verdict *verdict);
/* All of this node's sets. */
void metrics_sets(struct metrics *metrics, const struct inventory *inventory);

/* Around each hold: nothing is written or sent in between. */
void metrics_hold(struct metrics *metrics);
void metrics_release(struct metrics *metrics);

/* For `status`: {textfile, written_at, trouble, ping: {at, kind, trouble}}, what is absent null;
 * null where nothing is configured. */
json_t *metrics_json(struct metrics *metrics);
/* For the doctor: writes the file anew, and says whether it is there.
 *   false  as metrics_file_wait, or the record can't be kept */
bool metrics_ping_went_well(struct metrics *metrics, struct err *err); /* the last one */
bool metrics_try(struct metrics *metrics, int64_t deadline_ms, struct err *err);

#endif
