#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A peer of `make bench`: the script that one finds in wikis. FLUSH TABLES WITH READ LOCK in a client
# that is kept open, fsfreeze, the aws command line, and back. Run only with an independent thaw armed.
#
#   peer_shell.sh MYSQLD.SOCK ENDPOINT REGION CA INSTANCE MOUNT...      mounts in the order to freeze
set -euo pipefail

socket=$1 endpoint=$2 region=$3 ca=$4 instance=$5
shift 5
mounts=("$@")
frozen=()

let_go() {
    local i
    for ((i = ${#frozen[@]} - 1; i >= 0; i--)); do fsfreeze --unfreeze "${frozen[i]}"; done
    frozen=()
    echo "UNLOCK TABLES;" >&"${DB[1]}" || true
}
trap let_go EXIT

coproc DB { mariadb --no-defaults --socket "$socket" -u root -N -B -n; }
sync
echo "SET SESSION lock_wait_timeout = 5; FLUSH TABLES WITH READ LOCK; SELECT 'locked';" >&"${DB[1]}"
read -r -t 10 answer <&"${DB[0]}"
[ "$answer" = locked ]
for mount in "${mounts[@]}"; do
    fsfreeze --freeze "$mount"
    frozen+=("$mount")
done
aws --endpoint-url "$endpoint" --region "$region" --ca-bundle "$ca" --output text ec2 \
    create-snapshots --instance-specification "InstanceId=$instance" --description peer-shell >/dev/null
