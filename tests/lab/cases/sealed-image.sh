#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# seal: nothing of a node is kept in the image that is made of it, two instances of which begin as new
# nodes; and it refuses while anything of the node is still at work, or would be forgotten.
# timeout: 600
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
need unshare chroot
start_cloud
start_node --no-mysql
begin_refusals
tree=$(mktemp -d)
defer rmdir "$tree"

# As in the chroot of an image's build: seal looks at the mounts of the whole machine, which are other
# labs' too. It sees what is bound into the tree.
sealing() {
    # shellcheck disable=SC2016 # the inner shell expands these
    unshare --mount --propagation private bash -c '
        set -e
        tree=$1 lab=$2 build=$3
        shift 3
        mount -t tmpfs tmpfs "$tree"
        for path in /bin /etc /lib /lib32 /lib64 /libx32 /sbin /usr /dev; do
            if [ -L "$path" ]; then
                cp -d "$path" "$tree$path"
            elif [ -d "$path" ]; then
                mkdir "$tree$path"
                mount --bind "$path" "$tree$path"
            fi
        done
        mkdir -p "$tree/proc" "$tree$lab" "$tree$build"
        mount -t proc proc "$tree/proc"
        mount --rbind "$lab" "$tree$lab"
        mount --bind "$build" "$tree$build"
        exec chroot "$tree" "$build/stillpoint" --config "$lab/stillpoint.conf" seal "$@"
    ' - "$tree" "$LAB" "$BUILD" "$@"
}

mapfile -t mounts < <(json "'\n'.join(m['at'] for m in d['mounts'])" <"$LAB/node.json")
manifests() { find "${mounts[@]}" -maxdepth 1 -name '.stillpoint-manifest.json*' | sort; }
traces() { find "$LAB/state" -mindepth 1 -not -name lost+found -not -name '.stillpoint-manifest.json*' | sort; }

backs_up
[ -n "$(manifests)" ] || fail "a backup leaves no manifests: nothing to test"
[ -e "$LAB/state/identity.json" ] || fail "a node leaves no identity: nothing to test"

# What an instance of the image is tested with knows this one.
mkdir "$LAB/bin"
printf '#!/bin/sh\nexec %q --config %q "$@"\n' "$BUILD/stillpoint" "$LAB/stillpoint.conf" >"$LAB/bin/stillpoint"
chmod 755 "$LAB/bin/stillpoint"
imds=$(sed -nE 's/^endpoint_imds = //p' "$LAB/stillpoint.conf")
assert_exit 0 env PATH="$LAB/bin:$PATH" AWS_EC2_METADATA_SERVICE_ENDPOINT="$imds" bash "$TOP/packaging/ami/test.sh"
assert_match "ok +it knows that this is $(node_get "['instance']")" "$OUT" "the test of an instance"
assert_exit 1 env PATH="$LAB/bin:$PATH" AWS_EC2_METADATA_SERVICE_ENDPOINT="$imds/other" bash "$TOP/packaging/ami/test.sh"

# Somebody is at work.
refused 5 'stillpointd runs, and would write down again which instance this is' 'systemctl stop stillpointd' sealing
assert_exit 0 sp hold --lease 20s
refused 4 'this node is being held' 'stillpoint thaw -n' sealing --force
assert_match 'now: nothing was removed' "$OUT" "what is said to be"
assert_exit 0 sp release
cloud_set '{"snapshot_time_s": 600}'
sp backup --no-image --wait cut >/dev/null || fail "no backup"
refused 4 'stillpointd is at work: sp-' 'wait for its end' sealing
cloud_set '{"snapshot_time_s": 0.1}'

# What a dead daemon left in EC2 would be forgotten.
stop_part daemon KILL
refused 5 'is not settled, and would be forgotten: sp-' 'systemctl start stillpointd' sealing
[ -e "$LAB/state/identity.json" ] || fail "a seal that refused removed something"

# Given up it is gone, and with it all that this node was: said by name.
before=$(manifests) had=$(traces)
assert_exit 0 sealing --force -n
assert_match 'not sealed yet' "$OUT" "the dry run"
assert_eq "$before" "$(manifests)" "manifests after a dry run"
assert_eq "$had" "$(traces)" "the state after a dry run"
assert_exit 0 sealing --force
for path in $before "$LAB"/state/{identity.json,hold.json,journal}; do
    grep -qF "removed $path: " <<<"$OUT" || fail "$path is not told: $OUT"
done
assert_eq '' "$(manifests)" "manifests of a sealed image"
assert_eq '' "$(traces)" "the state of a sealed image"
assert_exit 0 sealing -n
assert_eq 'sealed: nothing of this machine is kept' "$OUT" "a second seal"
end_refusals
python3 "$LIB_DIR/node.py" down "$LAB" || fail "the node does not go"

# Two instances of the image: each finds out who it is, and neither takes itself for another.
boot() { # INSTANCE FOLDER: a daemon on a copy of the image's state
    mkdir "$2"
    cp -a "$LAB/state" "$2/state"
    {
        sed '/^\[paths\]/,$d' "$LAB/stillpoint.conf"
        printf '[paths]\nrun = %s\nstate = %s\n' "$2" "$2/state"
    } >"$2/stillpoint.conf"
    cloud_set "{\"imds\": {\"document\": {\"instanceId\": \"$1\"}}}"
    "${BARE_ENV[@]}" "$BUILD/stillpointd" --config "$2/stillpoint.conf" 2>"$2/log" &
    defer kill $!
    for _ in {1..400}; do
        grep -q "$1" "$2/state/identity.json" 2>/dev/null && break
        sleep 0.02
    done
    assert_match "\"$1\"" "$(cat "$2/state/identity.json")" "who $1 is"
    assert_eq "$1" "$("$BUILD/stillpoint" --config "$2/stillpoint.conf" status --json | json "d['identity']['instance']")" "status"
}
boot i-0aaaaaaaaaaaaaaa1 "$LAB/first"
boot i-0bbbbbbbbbbbbbbb2 "$LAB/second"
sleep 0.2
! grep -h event=identity_changed "$LAB/first/log" "$LAB/second/log" || fail "an instance took itself for another"
doctor() { "$BUILD/stillpoint" --config "$LAB/$1/stillpoint.conf" doctor 2>&1; }
OUT=$(doctor second)
[[ $OUT == *i-0bbbbbbbbbbbbbbb2* && $OUT != *sealed* ]] || fail "the doctor of a sealed image's instance: $OUT"
# The first was not sealed before its own image was made.
rm -r "$LAB/state"
cp -a "$LAB/first/state" "$LAB/state"
boot i-0ccccccccccccccc3 "$LAB/third"
for _ in {1..200}; do # written before it is logged
    ! grep -q 'event=identity_changed was=i-0aaaaaaaaaaaaaaa1 now=i-0ccccccccccccccc3' "$LAB/third/log" || break
    sleep 0.02
done
grep -q 'event=identity_changed was=i-0aaaaaaaaaaaaaaa1 now=i-0ccccccccccccccc3' "$LAB/third/log" ||
    fail "an image that was not sealed is not told: $(cat "$LAB/third/log")"
assert_match 'warning +image +the image .* was not sealed: the state of i-0aaaaaaaaaaaaaaa1' "$(doctor third)" "doctor"
