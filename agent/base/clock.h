/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLOCK_H
#define STILLPOINT_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The only callers of clock_gettime. Safe in every process and thread, also while frozen. */

/* Steady time since boot, goes on through suspend (CLOCK_BOOTTIME), the same in all processes:
 * every deadline_ms is absolute on this clock. */
int64_t clock_boot_ms(void);
int64_t clock_boot_us(void);

/* Wall clock in microseconds since 1970 UTC: for people, tags and signatures only. */
int64_t clock_utc_us(void);

/* The kernel's own bound on the wall clock's error (adjtimex(2): maxerror), in microseconds.
 *   ret_synced  false where no one disciplines the clock; the number is no bound then
 *   false       the kernel did not say */
bool clock_error_us(int64_t *ret_error_us, bool *ret_synced);

enum { CLOCK_TEXT_BYTES = 40 };

/* "2026-11-24T08:15:31.206811Z" into TEXT (size CLOCK_TEXT_BYTES); returns TEXT. */
char *clock_utc_text(int64_t utc_us, char *text);
/* "20261124T081530Z", as ids and signatures have it; same size; returns TEXT. */
char *clock_utc_compact(int64_t utc_us, char *text);
/* Reads "2026-11-24T08:15:31.206811Z" (any number of digits behind the point, those past the sixth
 * count nothing) and "2026-11-24T08:15:31Z", nothing else. */
bool clock_utc_parse(const char *text, int64_t *ret_utc_us);

#endif
