/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_COPY_PROBE_H
#define STILLPOINT_HOOKRUN_COPY_PROBE_H

#include "agent/hookrun/hookrun_copy_session.h"

/* ADD: takes a device in, which nobody uses, and finds what is on it. The reply has the items. */
enum copy_status copy_probe_add(struct copy_session *session, int64_t deadline_ms);

/* The reply's items: all from FIRST on. COPY_OK. */
enum copy_status copy_probe_tell(struct copy_session *session, uint32_t first);

/* Asks blkid what lies on /dev/NODE and adds it as an item.
 *   where  "", "p1", "lvm:vg/lv" */
enum copy_status copy_probe_item(struct copy_session *session, uint32_t device, const char *node,
                                 const char *where, int64_t deadline_ms);

/* Reads blkid's answer (-o export: lines KEY=VALUE, with backslashes before what is special): kind,
 * type, uuid and label of RET_ITEM; *ret_table, is it a partition table? Pure. TEXT is not ended.
 */
void copy_probe_read(const char *text, size_t bytes, struct copy_item *ret_item, bool *ret_table);

#endif
