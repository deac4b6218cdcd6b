# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# For the cases of `rollback`, after lib.sh and refusals.sh.
#
#   services_hook              $LAB/services, a hook that ends and starts what uses the data volumes: the
#                              writers (in $LAB/run/writers.pid) and the database. While nothing runs
#                              it writes what lies there: $LAB/sums.stop, $LAB/sums.start
#   start_rollback_node [OPTION...]   a node with that hook
#   load_on                    the writers run, and the hook knows of them
#   sums_of_set BACKUP.json    what lies on the copies of the set, as $LAB/sums.set
#   volume_at DEVICE           attached there now, "" for none
#   state_tag                  the instance's tag stillpoint:rollback, "" for none
#   volumes_of_lab             how many volumes the cloud has
#   data_volumes               ids attached to the instance, but the root's, in order
#   no_tags_left               no volume, snapshot or instance has a tag of a rollback
#   mounted_is VOLUME NAME     what is mounted there lies on it
#   ended_as OUTCOME WHY       what `rollback` and `status` say of the last one; WHY: a pattern, None
#   until_rollback PYTHON      of what `rollback` says as r (None: nothing), and no job has the node

services_hook() {
    cat >"$LAB/services" <<SH
#!/bin/bash
export PATH="$PATH"
sums() {
    for name in data binlog; do
        (cd "\$1\$(cat "$LAB/at.\$name")" && find . -xdev -type f ! -name '.stillpoint*' -print0 |
            sort -z | xargs -0 sha256sum)
    done
}
gone() {
    for _ in {1..600}; do kill -0 "\$1" 2>/dev/null || return 0; sleep 0.05; done
    echo "\$1 does not end"; exit 1
}
echo "\$1 \${STILLPOINT_OUTCOME:--}" >>"$LAB/hook.log"
[ ! -e "$LAB/fail-\$1" ] || { echo "no \$1 today"; exit 3; }
while [ -e "$LAB/hang-\$1" ]; do sleep 0.05; done
case \$1 in
stop)
    for file in "$LAB/run/writers.pid" "$LAB/run/mysqld.pid"; do
        [ -s "\$file" ] || continue
        pid=\$(cat "\$file"); kill -TERM "\$pid" 2>/dev/null && gone "\$pid"
    done
    rm -f "$LAB/run/writers.pid"
    sums "" >"$LAB/sums.stop" ;;
start)
    [ -S "$LAB/run/mysqld.sock" ] && kill -0 "\$(cat "$LAB/run/mysqld.pid")" 2>/dev/null && exit 0
    sums "" >"$LAB/sums.start"
    python3 "$LIB_DIR/node.py" start "$LAB" mysql ;;
esac
SH
    chmod 755 "$LAB/services"
    : >"$LAB/hook.log"
}

start_rollback_node() {
    services_hook
    start_node --conf '[hook services]' --conf "exec = $LAB/services" --conf 'phases = stop, start' "$@"
    mount_at data >"$LAB/at.data"
    mount_at binlog >"$LAB/at.binlog"
    cloud_set '{"snapshot_time_s": 0.2, "image_time_s": 0.1}'
}

load_on() {
    rm -f "$LAB/acks/ready"
    start_writers "$@"
    echo "$_writer_pid" >"$LAB/run/writers.pid"
}

# The hook has ended them.
load_is_off() {
    wait "$_writer_pid" || fail "writer: $(cat "$LAB/log/writer.log")"
    _writer_pid=
}

sums_of_set() {
    local name snapshot device at=$LAB/run/copy
    mkdir -p "$at"
    : >"$LAB/sums.set"
    for name in data binlog; do
        snapshot=$(json "[s['id'] for s in d['snapshots'] if s['volume'] == '$(volume_of $name)'][0]" <"$1")
        device=$(restore_copy "$snapshot" | json "d['$snapshot']")
        mount -o "$([ "$name" = data ] && echo defaults || echo nouuid)" "$device" "$at" || fail "mount a copy"
        (cd "$at" && find . -xdev -type f ! -name '.stillpoint*' -print0 | sort -z | xargs -0 sha256sum) >>"$LAB/sums.set"
        umount "$at" || fail "unmount a copy"
    done
    [ -s "$LAB/sums.set" ] || fail "the set is empty: the test would prove nothing"
}

ask_cloud() { # PYTHON: of ec2, instance
    python3 - "$LIB_DIR" "$LAB" "$(node_get "['instance']")" "$1" <<'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
ec2, instance = Lab(sys.argv[2]).ec2(), sys.argv[3]
shown = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
volumes = [v for v in ec2.describe_volumes()["Volumes"] if v["State"] != "deleting"]  # as good as gone
snapshots = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
tags = lambda thing: {tag["Key"]: tag["Value"] for tag in thing.get("Tags", [])}
value = eval(sys.argv[4])
print(value if isinstance(value, str) else " ".join(map(str, value)) if isinstance(value, (list, tuple)) else value)
PYTHON
}

state_tag() { ask_cloud "tags(shown).get('stillpoint:rollback', '')"; }
volumes_of_lab() { ask_cloud "len(volumes)"; }
data_volumes() {
    ask_cloud "[m['Ebs']['VolumeId'] for m in sorted(shown['BlockDeviceMappings'], key=lambda m: m['DeviceName']) if m['DeviceName'] != shown['RootDeviceName']]"
}
terminations() {
    ask_cloud "[m['Ebs']['DeleteOnTermination'] for m in sorted(shown['BlockDeviceMappings'], key=lambda m: m['DeviceName'])]"
}
no_tags_left() {
    assert_eq '' "$(ask_cloud "sorted({v.get('VolumeId') or v.get('SnapshotId') or v.get('InstanceId') for v in volumes + snapshots + [shown] for key, value in tags(v).items() if key.startswith('stillpoint:rollback') and value != '-'})")" \
        "what has a tag of a rollback"
}

mounted_is() {
    local device
    device=$(findmnt -n -o SOURCE "$(cat "$LAB/at.$2")") || fail "nothing is mounted at $2"
    assert_eq "$1" "$(json "d.get('$device', '-')" <"$LAB/map.json")" "the volume at $2"
}

ended_as() {
    local last shown=${cell:-rollback}
    last=$(sp rollback --json | tail -n 1 | json "d['last']")
    assert_eq "$last" "$(sp status --json | json "d['rollback_last']")" "$shown: status as rollback"
    assert_eq "$1" "$(json "d['outcome']" <<<"$last")" "$shown: outcome"
    assert_match "$2" "$(json "str(d['why'])" <<<"$last")" "$shown: why"
    assert_match "the last, rb-.* to sp-.*, was $1 at " "$(sp rollback)" "$shown: in words"
    assert_match "rollback +none; the last, rb-.* to sp-.*, was $1 at " "$(sp status)" "$shown: status"
}

until_rollback() {
    for _ in {1..400}; do
        # Each answer has the key id (null: none); what is said where no daemon runs has not.
        [ "$(sp rollback --json 2>/dev/null | tail -n 1 | json "(lambda r: $1)(d if d['id'] else None)" 2>/dev/null)" = true ] &&
            [ "$(sp status --json | json "d['job'] is None")" = true ] && return
        sleep 0.1
    done
    fail "${cell:-rollback}: never came: $1: $(sp rollback)"
}
