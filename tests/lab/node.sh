#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# node.sh up DIR [options] | down DIR | start DIR PART | stop DIR PART [SIGNAL] | sweep
# The node is node.py's (its header is the manual); sweep removes what killed labs left.
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" = sweep ]; then
    exec python3 "$here/sweep.py"
fi
exec python3 "$here/node.py" "$@"
