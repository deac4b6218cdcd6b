#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What may go, decided twice: by the daemon's code and by a model of it in Python, on random histories,
# policies and forgeries; and what must hold whatever both say. The seed is in the output.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/../lib.sh"

need python3
need_program tests/lab/retention_feed
python3 "$LIB_DIR/retention_model.py" "$BUILD/tests/lab/retention_feed" --histories "${HISTORIES:-1200}" ||
    fail "run again with --seed and the seed above"
