/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_COPY_PROGRAMS_H
#define STILLPOINT_HOOKRUN_COPY_PROGRAMS_H

#include "agent/hookrun/hookrun_copy_session.h"

/* PROGRAMS: which database servers are installed, on the copy where it has a root folder, else on
 * the node: in the usual places, each where root alone can change it. Each is asked for its version
 * as nobody, and left out where it tells none in its share of the time; what it leaves behind is
 * ended. The reply has a line for each (copy_wire.h); where there is none, COPY_NO_TOOL, or
 * COPY_DEADLINE where one might have told later. */
enum copy_status copy_programs_list(struct copy_session *session, int64_t deadline_ms);

#endif
