#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The documents for EC2 Image Builder and Packer are what these take, and have the same steps: the scripts
# that lie beside them (image-build.sh runs them).
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

python3 -c 'import yaml' 2>/dev/null || skip "PyYAML is missing"
cd "$TOP" || exit
assert_exit 0 python3 tests/pkg/ami_component.py
assert_exit 0 python3 tests/pkg/ami_packer.py
for script in packaging/ami/*.sh; do
    bash -n "$script" || fail "$script can't be parsed"
    ! grep -q '{{' "$script" || fail "$script has what Image Builder takes for a parameter"
done

# Packer's own judgement, where there is one: the plugin's file is for later ones than Debian has.
if command -v packer >/dev/null; then
    scratch=$(mktemp -d)
    defer rm -r "$scratch"
    cp packaging/ami/*.sh packaging/ami/stillpoint.pkr.hcl "$scratch"
    if packer version | grep -q 'v1\.[0-6]\.'; then
        AWS_REGION=eu-west-1 assert_exit 0 packer validate -var region=eu-west-1 -var source_ami=ami-0123456789abcdef0 "$scratch"
    fi
    assert_exit 0 packer fmt -check packaging/ami
fi
