#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# On an instance that was launched from the image: whether Stillpoint came up by itself, and knows that
# this is another machine than the one that the image was made of. As root. Rights on EC2 are not
# needed: what the doctor says of them is shown, and decides nothing.
set -uo pipefail

for ((i = 0; i < 60; i++)); do
    status=$(stillpoint status --json 2>&1) && [[ $status == *'"instance":'* ]] && break
    sleep 1
done
stillpoint doctor
echo
[[ $status == *'"reachable":true'* || $status == *'"reachable": true'* ]] || {
    printf 'FAILED  daemon and guard do not answer: %s\n' "$status"
    exit 1
}
echo "ok      daemon and guard answer"

metadata=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}
token=$(curl --fail --silent --max-time 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' \
    "$metadata/latest/api/token")
instance=$(curl --fail --silent --max-time 5 -H "X-aws-ec2-metadata-token: $token" \
    "$metadata/latest/meta-data/instance-id")
if [ -z "$instance" ] || [[ $status != *"\"$instance\""* ]]; then
    printf 'FAILED  this is %s, which the daemon does not know: %s\n' "${instance:-not known}" "$status"
    exit 1
fi
echo "ok      it knows that this is $instance"
