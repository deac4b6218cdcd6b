# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# To be sourced: python3 is one that has moto and boto3 afterwards. tests/packages.sh makes build/venv
# where the system's own has them not.
_venv=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/venv/bin
case ":$PATH:" in
*":$_venv:"*) ;;
*) [ ! -x "$_venv/python3" ] || export PATH="$_venv:$PATH" ;;
esac
# A wrapper that looks for the real one at each call (pyenv's: half a second) is asked once.
_python=$(command -v python3) || _python=
if [ -n "$_python" ] && [ "$(head -c 2 "$_python")" = '#!' ]; then
    _python=$(python3 -c 'import sys; print(sys.executable)') && export PATH="${_python%/*}:$PATH"
fi
unset _venv _python
