#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# alone: yes
# timeout: 400
# A part of the fault matrix in which each fault and each point occurs: what `make check` runs of it.
exec bash "$(dirname "$0")/matrix.sh" --sample "$@"
