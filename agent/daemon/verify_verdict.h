/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_VERIFY_VERDICT_H
#define STILLPOINT_VERIFY_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

/* What a verify found, as the tag stillpoint:verified has it. Pure.
 *
 *   ok 2026-11-29T08:15:31Z            restored, and nothing was wrong with it
 *   ok 2026-11-29T08:15:31Z deep       with every table
 *   partly 2026-11-29T08:15:31Z: WHY   nothing was wrong, and some of it could not be looked into
 *   failed 2026-11-29T08:15:31Z: WHY   it does not restore as it claims */

enum verify_result { VERIFY_OK, VERIFY_PARTLY, VERIFY_FAILED };

struct verify_verdict {
    enum verify_result result;
    int64_t at_utc_us;
    bool deep;
    char why[200];
};

enum { VERIFY_VERDICT_BYTES = 257 };

const char *verify_result_name(enum verify_result result); /* "ok", … Static. */
/* TEXT has room for VERIFY_VERDICT_BYTES. */
char *verify_verdict_text(const struct verify_verdict *verdict, char *text);
/* False: it is none (absent, of a later version). */
bool verify_verdict_parse(const char *text, struct verify_verdict *ret_verdict);
/* Whether one more verify would say no more than VERDICT does: a good one, or a failed one, as deep
 * as is asked for. One that saw only a part is worth another look. */
bool verify_verdict_stands(const struct verify_verdict *verdict, bool deep);

#endif
