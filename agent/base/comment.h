/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_COMMENT_H
#define STILLPOINT_COMMENT_H

/* Takes a comment off the end of a configuration's VALUE, and the blanks before it: from the # or ;
 * that begins VALUE or has a blank before it. (inih takes " ;" alone for one.) One function, since
 * the guard and the other programs must read one configuration alike; it calls libc alone. */
void comment_cut(char *value);

#endif
