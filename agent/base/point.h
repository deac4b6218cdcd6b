/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_POINT_H
#define STILLPOINT_POINT_H

/* Named points in the course of a backup, at which a test can stop a process and do to it, or to
 * what is around it, what happens to nodes (tests/faults). In a build without POINTS=1 they are
 * nothing at all: no code, no name in the program (tests/lint/no-points.sh). */

#ifdef STILLPOINT_POINTS

/* Waits here while a test wants NAME; 30 s at most, so that no test leaves a node held. Any thread,
 * also while frozen: it looks into mapped memory and sleeps, nothing else. */
void point_reach(const char *name);
/* "NAME-DETAIL", "NAME-NUMBER" */
void point_reach_of(const char *name, const char *detail);
void point_reach_number(const char *name, unsigned number);
/* What the environment's NAME says in place of NORMAL: minutes that a test has not got. */
long point_setting(const char *name, long normal);

#else

#define point_reach(name)                ((void)0)
#define point_reach_of(name, detail)     ((void)0)
#define point_reach_number(name, number) ((void)0)
#define point_setting(name, normal)      (normal)

#endif
#endif
