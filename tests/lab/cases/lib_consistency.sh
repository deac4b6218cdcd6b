# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# For the cases that show consistency: backups in a row by the real programs while the writers never
# pause, each with EC2's instant somewhere else in the exchange, then each restored and judged.
#
#   backups PREFIX COUNT [OPTION...]  takes them (options of stillpoint backup): $LAB/PREFIX-N.json
#   judge_backups PREFIX COUNT        judges them, one line each; the first that is not what it claims
#                                     fails the test with the reason. The writers may have ended
#   next_node [OPTION...]             this node goes, another comes up in the same cloud
#
# sourced after lib.sh.

# shellcheck disable=SC2034 # the cases say what the backups must be
EXACT=true # whether the recorded position must be the exact one

_cut_at() { # anywhere between the first and the last twentieth of the exchange
    printf '0.%02d' $((RANDOM % 91 + 5))
}

node_mounts() {
    json "'\n'.join(m['at'] for m in d['mounts'])" <"$LAB/node.json"
}

backups() {
    local prefix=$1 count=$2 i file mounts status
    shift 2
    mapfile -t mounts < <(node_mounts)
    for ((i = 1; i <= count; i++)); do
        file=$LAB/$prefix-$i.json
        cloud_set "{\"cut_at\": $(_cut_at | tee "$LAB/$prefix-$i.cut")}"
        arm_thaw 40 "${mounts[@]}"
        sp backup --json --reason "$prefix $i" "$@" >"$file"
        status=$?
        disarm_thaw
        [ "$status" = 0 ] || fail "$prefix $i: exit $status: $(tail -n 1 "$file" | cut -c 1-600)"
    done
}

judge_backups() {
    local prefix=$1 count=$2 i
    for ((i = 1; i <= count; i++)); do
        judge "$LAB/$prefix-$i.json" >"$LAB/verdict.json"
        case $? in
        0 | 1) ;;
        *) fail "$prefix $i: could not be judged" ;;
        esac
        python3 - "$LAB" "$prefix-$i" "$EXACT" <<'PY' || fail "$prefix $i is not what it claims to be"
import json, sys

lab, name, exact = sys.argv[1], sys.argv[2], sys.argv[3] == "true"
with open(f"{lab}/{name}.json", encoding="utf-8") as stream:
    backup = json.loads(stream.read().splitlines()[-1])
with open(f"{lab}/verdict.json", encoding="utf-8") as stream:
    verdict = json.load(stream)
with open(f"{lab}/{name}.cut", encoding="utf-8") as stream:
    cut_at = stream.read()
with open(f"{lab}/node.json", encoding="utf-8") as stream:
    node = json.load(stream)
timing, database, facts = backup["timing_ms"], backup["databases"][0], verdict["facts"]
faults = list(verdict["faults"])
if backup["consistency"] != "application" or backup["shortfall"]:
    faults.append(f"claim: {backup['consistency']} consistent: {backup['shortfall']}")
if database["binlog_exact"] is not exact:
    faults.append(f"claim: binlog_exact is {database['binlog_exact']}")
if not database["binlog_file"] or not database["gtid"]:
    faults.append(f"claim: no position or no GTID: {database}")
if len(backup["snapshots"]) != len(node["mounts"]):
    faults.append(f"claim: {len(backup['snapshots'])} snapshots of {len(node['mounts'])} volumes")
judged = [fact for fact in facts.values() if isinstance(fact, dict) and "on_copy" in fact]
if not facts.get("tables_checked") or not all(fact["on_copy"] for fact in judged):
    faults.append("judge: saw no tables, or a writer that wrote nothing")
if not facts.get("binlog", {}).get("inserts"):
    faults.append("judge: compared no row with the binary log")
print(f"{name}: {backup['consistency']}, hold {timing['hold']:.1f} ms, "
      f"{timing['hold'] - timing['exchange']:.1f} beside the exchange, instant at {cut_at} of it, "
      f"{database['method']}; {facts.get('tables_checked', 0)} tables, "
      f"{sum(fact['on_copy'] for fact in judged)} writes of {len(judged)} writers, "
      f"{database['binlog_file']}:{database['binlog_pos']}")
for fault in faults:
    print(f"  {fault}")
sys.exit(1 if faults else 0)
PY
    done
}

next_node() {
    if [ -e "$LAB/node.json" ]; then
        python3 "$LIB_DIR/node.py" down "$LAB" || fail "the node did not go"
    fi
    start_node "$@"
}
