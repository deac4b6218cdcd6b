# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# For the cases about what goes wrong, after lib.sh and start_node: each command that is to fail is
# asked for its exit code, its cause and its remedy, and the node and EC2 for what it left.
#
#   begin_refusals [SECONDS]   arms the thaw, makes the table for `node_is_free`, hurries the cloud
#   refused EXIT CAUSE REMEDY COMMAND...   both extended regular expressions, of the lines of a
#                              message: "stillpoint: CAUSE", "  do:  REMEDY". Output stays in $OUT
#   node_is_free               nothing frozen, and the server takes a write at once
#   made_nothing               nothing is in EC2 but what `made` has been told of
#   made                       what is in EC2 now is to be there
#   backs_up [OPTION...]       a backup succeeds, in full, and is `made`
#   until_status EXPRESSION    of status's JSON as `d`; 20 s at most
#   until_says REGEX COMMAND...  the command's output matches; 20 s at most
#   end_refusals               nothing was ever left frozen

begin_refusals() {
    local mounts
    mapfile -t mounts < <(json "'\n'.join(m['at'] for m in d['mounts'])" <"$LAB/node.json")
    arm_thaw "${1:-600}" "${mounts[@]}"
    if [ -S "$LAB/run/mysqld.sock" ]; then
        node_sql "CREATE TABLE IF NOT EXISTS lab.probe (n INT)" || fail "no table"
    fi
    cloud_set '{"latency_ms": {"CreateSnapshots": 60}, "snapshot_time_s": 0.1, "image_time_s": 0.1}'
    _made=
}

end_refusals() {
    node_is_free
    disarm_thaw
}

refused() {
    local wanted=$1 cause=$2 remedy=$3 status
    shift 3
    OUT=$("$@" 2>&1 </dev/null)
    status=$?
    [ "$status" -eq "$wanted" ] || fail "$*: wanted exit $wanted, got $status: $OUT"
    grep -qE -- "^stillpoint(d|-guard)?: .*($cause)" <<<"$OUT" || fail "$*: no cause /$cause/ in: $OUT"
    grep -qE -- "^ +do: .*($remedy)" <<<"$OUT" || fail "$*: no remedy /$remedy/ in: $OUT"
}

node_is_free() {
    assert_nothing_frozen
    if [ -S "$LAB/run/mysqld.sock" ]; then
        timeout 10 mariadb --no-defaults --socket "$LAB/run/mysqld.sock" -u root -e \
            "SET lock_wait_timeout=1; INSERT INTO lab.probe VALUES (1); DELETE FROM lab.probe" ||
            fail "the server takes no write"
    fi
}

_in_ec2() {
    { cloud_get snapshots && cloud_get images; } |
        python3 -c 'import sys; print(*sorted(line.split("\"")[3] for line in sys.stdin if line.startswith("  \"id\"")))'
}

made() {
    _made=$(_in_ec2)
}

made_nothing() {
    assert_eq "${_made-}" "$(_in_ec2)" "what is in EC2"
}

until_status() {
    for _ in {1..400}; do
        [ "$(sp status --json | json "$1")" = true ] && return
        sleep 0.05
    done
    fail "never came: $1: $(sp status)"
}

until_says() {
    local wanted=$1 text=
    shift
    for _ in {1..400}; do
        text=$("$@" 2>&1)
        [[ ! $text =~ $wanted ]] || return 0
        sleep 0.05
    done
    fail "$*: never said /$wanted/: $text"
}

backs_up() {
    OUT=$(sp backup "$@" 2>&1) || fail "backup $*: exit $?: $OUT"
    node_is_free
    made
}
