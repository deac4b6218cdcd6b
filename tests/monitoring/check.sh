#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What monitoring is given, judged by Prometheus' own tool: the alert rules and their tests, and every query
# of the dashboard. PROMTOOL, or the one in PATH, or tests/packages.sh's in build/.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

promtool=${PROMTOOL:-$(command -v promtool || echo build/promtool)}
[ -x "$promtool" ] || { echo "promtool is missing: tests/packages.sh fetches it"; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/stillpoint-rules.XXXXXX")
trap 'rm -rf "$work"' EXIT

# As a rules file: a query that can't be parsed is a rule that can't be.
python3 - packaging/monitoring/stillpoint-dashboard.json >"$work/dashboard.yml" <<'EOF' || exit 1
import json, sys
board = json.load(open(sys.argv[1], encoding="utf-8"))
queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
assert len(queries) > 20, "the dashboard has hardly any queries"
assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]), "two panels with one id"
print("groups:\n  - name: dashboard\n    rules:")
for index, query in enumerate(queries):
    print(f"      - record: query:{index}\n        expr: {json.dumps(query)}")
EOF
"$promtool" check rules packaging/monitoring/stillpoint-rules.yml "$work/dashboard.yml" &&
    "$promtool" test rules tests/monitoring/rules_test.yml
