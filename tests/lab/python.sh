# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# To be sourced: PYTHON is a Python that has moto and boto3. tests/packages.sh makes build/venv where
# the system's own has them not; PYTHON in the environment decides otherwise.
if [ -z "${PYTHON:-}" ]; then
    PYTHON=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/venv/bin/python3
    [ -x "$PYTHON" ] || PYTHON=python3
fi
export PYTHON
