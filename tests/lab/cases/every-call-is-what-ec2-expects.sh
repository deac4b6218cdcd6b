#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Every EC2 and metadata call of ours passes the check against the service's own model, keys and
# signature included, and its answer is understood.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

need_program tests/lab/ec2_client
start_cloud
about() { json "d['$1']" <"$LAB/cloud.json"; }
instance=$(cloud_post instance '{"volumes": [{"device": "/dev/sda1"}, {"device": "/dev/sdf"},
    {"device": "/dev/sdg"}, {"device": "/dev/sdh"}]}' | json "d['instance']") || fail "no instance"

"$BUILD/tests/lab/ec2_client" "$(about ec2)" "$(about ca)" "$(about imds)" "$instance" ||
    fail "see the step above"
