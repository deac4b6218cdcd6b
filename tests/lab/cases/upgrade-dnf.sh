#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 150
# A real dnf, with our plugin and a repository of its own: a backup before the transaction, none for what is new,
# the way back behind dnf's own words, a transaction that is stopped changes nothing; another tree is left alone.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
need dnf rpmbuild createrepo_c
start_cloud
# shellcheck source=tests/lab/cases/lib_upgrade.sh
. "$(dirname "$0")/lib_upgrade.sh"
start_node --no-mysql
cloud_set '{"snapshot_time_s": 600, "latency_ms": {"CreateSnapshots": 20}}'
sp_program
arm_thaw 140 "$(mount_at root)"

top=$LAB/dnf
mkdir -p "$top"/{repo,plugins,tree,work}
make_rpm() { # NAME VERSION [LINE]: into the repository
    printf 'Name: %s\nVersion: %s\nRelease: 1\nSummary: lab\nLicense: BSD\nBuildArch: noarch\n%s\n%%description\nlab\n%%files\n' \
        "$1" "$2" "${3:-}" >"$top/work/$1.spec"
    rpmbuild -bb --quiet --define "_topdir $top/work" --define "_rpmdir $top/repo" "$top/work/$1.spec" >"$top/work/log" 2>&1 ||
        fail "rpmbuild: $(cat "$top/work/log")"
}
make_rpm kaltura-base 1.0
make_rpm kaltura-base 1.1
make_rpm kaltura-base 1.2
make_rpm mariadb-server 10.5
make_rpm MariaDB-server 11.4 $'Obsoletes: mariadb-server\nProvides: mariadb-server = 11.4'
make_rpm stillpoint 1
createrepo_c -q "$top/repo" || fail "createrepo_c"
# In a tree, which the plugin tells of; as if that were the node itself, but for the last of the tests.
real=$TOP/packaging/dnf/stillpoint.py
as_node() { sed -e "s,^PROGRAM = .*,PROGRAM = '$LAB/bin/stillpoint'," -e 's,base\.conf\.installroot\.,"/".,' "$@" "$real" >"$top/plugins/stillpoint.py"; }
dnf_lab() {
    on_node dnf -y -q --installroot="$top/tree" --releasever=1 --setopt=pluginpath="$top/plugins" \
        --setopt=reposdir=/nowhere --setopt=cachedir="$top/cache" --setopt=logdir="$top" --setopt=plugins=1 \
        --repofrompath="lab,file://$top/repo" --repo=lab --nogpgcheck "$@" </dev/null
}
installed() { rpm --root "$top/tree" -q "$1" --qf '%{version}'; }
as_node
grep -q '"/"\.replace' "$top/plugins/stillpoint.py" || fail "the plugin was not changed for the test"

assert_exit 0 dnf_lab install kaltura-base-1.0 mariadb-server-10.5 stillpoint
[[ $OUT != *stillpoint:* ]] || fail "new packages: $OUT"
assert_exit 0 dnf_lab reinstall kaltura-base
[[ $OUT != *stillpoint:* ]] || fail "put in again: $OUT"
assert_exit 0 dnf_lab remove stillpoint
[[ $OUT != *stillpoint:* ]] || fail "our own removal: $OUT"
assert_eq 0 "$(count_calls CreateSnapshots)" "backups so far"

# One for all of these; said last, behind dnf's list of what it has done.
assert_exit 0 dnf_lab upgrade kaltura-base-1.1
id=$(sp list --json | json "d[0]['id']")
assert_eq "before upgrade: kaltura-base 1.0-1 to 1.1-1" "$(reasons)" "the reason"
assert_match "before upgrade.*Upgraded:.*kaltura-base-1.1-1.*to go back to before the upgrade: stillpoint rollback $id"$'\n'"  it is application consistent"$'\n?'"$" "$OUT" "the way back"
assert_exit 0 dnf_lab downgrade kaltura-base
assert_match "before upgrade: kaltura-base 1.1-1 back to 1.0-1" "$OUT" "a downgrade"
assert_exit 0 dnf_lab install MariaDB-server
assert_match "before upgrade: mariadb-server 10.5-1 removed" "$OUT" "another package in its place"
assert_eq 1 "$(count_calls CreateSnapshots)" "backups"
assert_eq 11.4 "$(installed MariaDB-server)" "the upgrade"

# None to be had.
stop_part daemon
upgrade_conf 'policy = required' 'max_age = 0'
assert_exit 1 dnf_lab upgrade kaltura-base
assert_match "the upgrade is stopped: no backup .*Error: stopped by stillpoint" "$OUT" "required"
assert_eq 1.0 "$(installed kaltura-base)" "required"
STILLPOINT_SKIP_BACKUP=1 assert_exit 0 dnf_lab upgrade kaltura-base-1.1
assert_eq 1.1 "$(installed kaltura-base)" "bypass"
upgrade_conf 'policy = best-effort'
assert_exit 0 dnf_lab upgrade kaltura-base
assert_match "WARNING: the upgrade goes on with no backup.*there is no way back to before the upgrade: no backup was taken"$'\n?'"$" "$OUT" "best-effort"

# A dnf that is another than the plugin knows.
as_node -e 's,item\.evr,item.version_of_another_dnf,g'
assert_exit 0 dnf_lab downgrade kaltura-base-1.0
assert_match "can not read dnf's transaction: AttributeError.*WARNING: the upgrade goes on with no backup" "$OUT" "another dnf, best-effort"
upgrade_conf 'policy = required'
assert_exit 1 dnf_lab upgrade kaltura-base
assert_match "can not read dnf's transaction: AttributeError.*the upgrade is stopped: no backup" "$OUT" "another dnf, required"
assert_eq 1.0 "$(installed kaltura-base)" "another dnf, required"
as_node
STILLPOINT_SKIP_BACKUP=1 assert_exit 0 dnf_lab upgrade kaltura-base-1.2

# As it is shipped: the packages go into a tree. And without the program, or with one that does not start.
upgrade_conf 'policy = required'
sed "s,^PROGRAM = .*,PROGRAM = '$LAB/bin/stillpoint'," "$real" >"$top/plugins/stillpoint.py"
assert_exit 0 dnf_lab downgrade kaltura-base-1.0
assert_match "no backup: the packages go into another tree, $top/tree" "$OUT" "another tree"
as_node
printf '#!/nowhere/sh\n' >"$LAB/bin/stillpoint"
assert_exit 0 dnf_lab upgrade kaltura-base-1.1
assert_match "stillpoint can not be started: no backup was taken" "$OUT" "can't be started"
rm "$LAB/bin/stillpoint"
assert_exit 0 dnf_lab remove kaltura-base
disarm_thaw
