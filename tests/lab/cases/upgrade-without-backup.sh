#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 200
# No backup can be had before an upgrade: required stops apt within the wait, with cause, remedy and the way
# past it; best-effort warns and goes on; nothing hangs it, nor does anything keep us from being removed.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
# shellcheck source=tests/lab/cases/lib_upgrade.sh
. "$(dirname "$0")/lib_upgrade.sh"
start_node --no-mysql
cloud_set '{"latency_ms": {"CreateSnapshots": 20}}'
sp_program
start_apt
arm_thaw 190 "$(mount_at root)"
for version in 1 2 3 4 5 6 7 8; do make_deb kaltura-base "$version"; done
make_deb stillpoint 1
make_deb stillpoint 2
deb() { echo "$LAB/apt/$1.deb"; }
installed() { cat "$LAB/tree/kaltura-base"; }
timed() { # CODE COMMAND...: not over 12 s: what waits where it need not, waits for minutes
    local begin=$SECONDS
    assert_exit "$@"
    [ $((SECONDS - begin)) -le 12 ] || fail "$*: took $((SECONDS - begin)) s: $OUT"
}
upgrade_conf 'policy = required' 'wait = 5s' 'max_age = 0'
assert_exit 0 apt_get install "$(deb kaltura-base_1)" "$(deb stillpoint_1)"

# EC2 takes the connection, and says nothing.
cloud_fault '{"action": "DescribeInstances", "kind": "hang", "count": 1000}'
timed 100 apt_get install "$(deb kaltura-base_2)"
assert_match "the time to wait is over.*the upgrade is stopped: no backup in the time of .upgrade. wait .*nothing of it was done.*do: .*STILLPOINT_SKIP_BACKUP=1" "$OUT" "required, EC2 hangs"
assert_eq 1 "$(installed)" "required, EC2 hangs"
upgrade_conf 'policy = best-effort' 'wait = 5s'
timed 0 apt_get install "$(deb kaltura-base_2)"
assert_match "WARNING: the upgrade goes on with no backup: .*there is no way back to before the upgrade.*Setting up kaltura-base.*there is no way back to before the upgrade" "$OUT" "best-effort, EC2 hangs"
assert_eq 2 "$(installed)" "best-effort, EC2 hangs"
cloud_faults_off

# The daemon takes the connection, and says nothing.
upgrade_conf 'policy = required' 'wait = 5s'
kill -STOP "$(part_pid daemon)"
timed 100 apt_get install "$(deb kaltura-base_3)"
kill -CONT "$(part_pid daemon)"
assert_match "stillpointd did not answer in the time that there was.*the upgrade is stopped" "$OUT" "required, the daemon is stopped"
assert_eq 2 "$(installed)" "required, the daemon is stopped"
for _ in {1..100}; do # what was asked for is cancelled as soon as it reads again
    [ "$(sp status --json | json "d['job']")" != null ] || break
    sleep 0.1
done
assert_eq 0 "$(cloud_get snapshots | json 'len(d)')" "snapshots"

# None runs.
stop_part daemon
upgrade_conf 'policy = required'
timed 100 apt_get install "$(deb kaltura-base_3)"
assert_match "stillpointd does not run: .*do:  start it: systemctl start stillpointd.*the upgrade is stopped: no backup .*STILLPOINT_SKIP_BACKUP=1" "$OUT" "required, no daemon"
STILLPOINT_SKIP_BACKUP=1 timed 0 apt_get install "$(deb kaltura-base_3)"
assert_match "no backup: STILLPOINT_SKIP_BACKUP is set" "$OUT" "bypass"
assert_eq 3 "$(installed)" "bypass"
upgrade_conf 'policy = best-effort'
timed 0 apt_get install "$(deb kaltura-base_4)"
assert_match "stillpointd does not run: .*WARNING: the upgrade goes on with no backup.*no way back" "$OUT" "best-effort, no daemon"

# Ours is upgraded and removed without one, and nothing is said.
upgrade_conf 'policy = required' 'packages = *'
timed 0 apt_get install "$(deb stillpoint_2)"
[[ $OUT != *stillpoint:* ]] || fail "our own upgrade: $OUT"
timed 0 apt_get purge stillpoint
[[ $OUT != *stillpoint:* ]] || fail "our own removal: $OUT"

# A fault elsewhere in the configuration: the policy holds all the same.
upgrade_conf 'policy = required' '[backup]' 'image = perhaps'
timed 100 apt_get install "$(deb kaltura-base_5)"
assert_match "upgrade.conf:4: image: .*the upgrade is stopped: no backup" "$OUT" "required, bad configuration"
upgrade_conf '[backup]' 'image = perhaps'
timed 0 apt_get install "$(deb kaltura-base_5)"
assert_match "image: .*WARNING: the upgrade goes on with no backup" "$OUT" "best-effort, bad configuration"

# So it does where the fault is beside it; one that can't be read is no leave to go on.
upgrade_conf 'policy = required' '[paths]' 'run = not/absolute'
timed 100 apt_get install "$(deb kaltura-base_6)"
assert_match "run: .*the upgrade is stopped: no backup" "$OUT" "required, a bad path"
upgrade_conf 'policy = requird'
timed 100 apt_get install "$(deb kaltura-base_6)"
assert_match "policy: .*the upgrade is stopped: no backup" "$OUT" "a policy that is none"

# What others could have written is no leave either, and what is no file keeps nobody waiting; the last
# resort goes on without it.
upgrade_conf 'policy = required'
printf '[upgrade]\npolicy = off\n' >"$LAB/conf.d/z.conf"
chmod 666 "$LAB/conf.d/z.conf"
timed 100 apt_get install "$(deb kaltura-base_6)"
assert_match "z.conf: .*the upgrade is stopped: no backup" "$OUT" "off, by others"
chmod 644 "$LAB/conf.d/z.conf"
mkfifo "$LAB/conf.d/zz.conf"
timed 0 on_node bash -c "printf 'VERSION 2\n\nkaltura-base 1 < 2 /a\n' | $LAB/bin/stillpoint pre-upgrade --apt"
assert_match "no backup; the configuration has a fault: .*zz.conf" "$OUT" "off, and a FIFO"
timed 0 sp thaw --force
rm "$LAB/conf.d/z.conf" "$LAB/conf.d/zz.conf"

# Not a node, or not this one.
upgrade_conf 'policy = required'
timed 0 apt_get -o DPkg::Chroot-Directory=/ -o RootDir="" install "$(deb kaltura-base_5)"
OUT=$(APT_CONFIG="$LAB/apt/apt.conf" apt-get -y install "$(deb kaltura-base_6)" 2>&1 </dev/null) || fail "no systemd: $OUT"
[ -d /run/systemd/system ] || assert_match "no backup: systemd does not run here" "$OUT" "no systemd"
list() { printf 'VERSION 3\nDir=%s\n\nkaltura-base 1 all none < 2 all none /a.deb\n' "$1"; }
assert_exit 0 on_node bash -c "$(declare -f list); LAB=$LAB; list /mnt/image | $LAB/bin/stillpoint pre-upgrade --apt"
assert_match "no backup: the packages go into another tree, /mnt/image" "$OUT" "another tree"
in_chroot() { # without /dev
    for folder in /bin /lib /lib64 /usr /etc /var /proc /run "/$(cut -d/ -f2 <<<"$BUILD")"; do
        [ ! -d "$folder" ] || { mkdir -p "$LAB/jail$folder" && mount --rbind "$folder" "$LAB/jail$folder"; } || return 9
    done
    list / | chroot "$LAB/jail" "$LAB/bin/stillpoint" pre-upgrade --apt
}
assert_exit 0 on_node bash -c "$(declare -f list in_chroot); LAB=$LAB BUILD=$BUILD; in_chroot"
assert_match "no backup: this is a chroot" "$OUT" "chroot"

# The program is not there any more, or can't be started.
mv "$LAB/bin/stillpoint" "$LAB/bin/away"
timed 0 apt_get install "$(deb kaltura-base_7)"
printf '#!/nowhere/sh\n' >"$LAB/bin/stillpoint"
chmod 755 "$LAB/bin/stillpoint"
timed 0 apt_get install "$(deb kaltura-base_8)"
assert_match "W: stillpoint can not be started: no backup was taken" "$OUT" "can't be started"
assert_eq 8 "$(installed)" "all went on"
mv "$LAB/bin/away" "$LAB/bin/stillpoint"

# What is no such list.
assert_exit 1 on_node bash -c "echo /a.deb | $LAB/bin/stillpoint pre-upgrade --apt"
assert_match "the list of packages, line 1: .*the upgrade is stopped" "$OUT" "no list"
assert_exit 1 on_node env APT_HOOK_INFO_FD=77 "$LAB/bin/stillpoint" pre-upgrade --apt
assert_match "the list of packages can't be read: Bad file descriptor" "$OUT" "no descriptor"
disarm_thaw
