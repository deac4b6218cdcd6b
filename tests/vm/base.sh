# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# The machine's disks before the agent is on them: Debian 12 on one, MariaDB's data on LVM over two, XFS on
# the fourth. Sourced by root.sh, which knows $here, $build and a folder $work to make them in.
#
#   make_base DIR             makes vmlinuz, cmdline, disk0 to disk3 and names the folder DIR
#   mount_root, umount_root   the / of $work/disk0 at $work/root
# shellcheck disable=SC2154 # root.sh has set them

MIB=$((1 << 20))
ROOT_GIB=3
EFI_AT=$MIB EFI_SIZE=$((63 * MIB)) ROOT_AT=$((64 * MIB)) ROOT_SIZE=$(((ROOT_GIB << 30) - 65 * MIB))
ROOT_PART=5717a7c2-0001-4000-8000-000000000002
ROOT_UUID=5717a7c2-0002-4000-8000-000000000002


packages=(linux-image-cloud-amd64 systemd systemd-sysv udev dbus libpam-systemd kmod mariadb-server lvm2
    xfsprogs dosfstools e2fsprogs cron ca-certificates iproute2 procps login passwd util-linux fdisk
    libcurl4 libuv1 libjansson4 libexpat1 libinih1 libmariadb3 libssl3 init-system-helpers debconf ucf
    lsb-release)

loop_of() { # OFFSET SIZE
    losetup --find --show --offset "$1" --sizelimit "$2" "$work/disk0"
}

mount_root() { # at $work/root, without /boot/efi: not every kernel has vfat
    mkdir -p "$work/root"
    mount "$(loop_of "$ROOT_AT" "$ROOT_SIZE")" "$work/root"
}

umount_root() {
    umount -R "$work/root"
    losetup -j "$work/disk0" -O NAME --noheadings | while read -r device; do losetup -d "$device"; done
}

# The machine's own archives for this suite, as apt has them.
sources() {
    # shellcheck disable=SC2016 # apt's own placeholders
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk '$2 ~ /^bookworm/ && $3 == "main" && !seen[$0]++ {
            print "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] " $1 " " $2 " " $3 }'
}

make_disk0() {
    local device
    rm -f "$work/disk0"
    truncate -s "${ROOT_GIB}G" "$work/disk0"
    sfdisk -q "$work/disk0" <<END
label: gpt
start=$((EFI_AT / 512)), size=$((EFI_SIZE / 512)), type=uefi
start=$((ROOT_AT / 512)), size=$((ROOT_SIZE / 512)), type=linux, uuid=$ROOT_PART
END
    device=$(loop_of "$EFI_AT" "$EFI_SIZE")
    mkfs.vfat -n EFI "$device" >/dev/null
    EFI_UUID=$(blkid -p -s UUID -o value "$device")
    losetup -d "$device"
    device=$(loop_of "$ROOT_AT" "$ROOT_SIZE")
    mkfs.ext4 -q -U "$ROOT_UUID" -E lazy_itable_init=0,lazy_journal_init=0 -J size=32 "$device"
    losetup -d "$device"
}

bootstrap() { # into the empty $work/root
    local list
    list=$(IFS=,; echo "${packages[*]}")
    timeout 400 mmdebstrap --mode=root --variant=minbase --include="$list" \
        --aptopt='Acquire::Check-Valid-Until "false"' \
        --dpkgopt=force-confold --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/info/*' \
        --essential-hook="bash '$here/inside.sh' --before \"\$1\"" \
        bookworm "$work/root" - <"$work/sources" >"$work/debian.log" 2>&1
}

debian() { # on a disk0 of its own each time: a mirror may be amidst a change of its own
    local try
    sources >"$work/sources"
    [ -s "$work/sources" ] || { say "apt has no archive of bookworm here (apt-get update?)"; return 1; }
    for try in 1 2 3; do
        make_disk0
        mount_root
        ! bootstrap || break
        say "mmdebstrap failed, try $try of 3"
        tail -n 30 "$work/debian.log" >&2
        umount_root
        [ $try -lt 3 ] || return 1
        sleep 10
    done
    mkdir -p "$work/root/boot/efi"
    bash "$here/inside.sh" "$work/root" "$ROOT_UUID" "$EFI_UUID"
    install -m 755 "$build/tests/vm/runner" "$work/root/usr/local/sbin/stillpoint-lab-runner"
    cp "$work/root"/boot/vmlinuz-* "$work/vmlinuz"
    umount_root
}

first_boot() {
    local number
    for number in 1 2 3; do truncate -s 1G "$work/disk$number"; done
    python3 - "$work" "$ROOT_PART" >"$work/spec.json" <<'PY'
import json, os, sys
work, part = sys.argv[1:]
names = ["root", "data1", "data2", "media"]
disks = [{"serial": name, "path": f"{work}/disk{i}", "size": os.path.getsize(f"{work}/disk{i}")}
         for i, name in enumerate(names)]
line = open(os.path.join(work, "cmdline")).read().strip()
print(json.dumps({"kernel": f"{work}/vmlinuz", "disks": disks, "relay": "", "cmdline": line}))
PY
    python3 "$here/machine.py" boot "$work/machine" "$work/spec.json"
    if ! python3 "$here/machine.py" wait "$work/machine" 240 ||
        ! python3 "$here/machine.py" run "$work/machine" -t 200 - <"$here/first_boot.sh" >"$work/first.log" 2>&1; then
        say "the machine's first boot failed"
        tail -n 30 "$work/machine/console.log" "$work/first.log" >&2
        return 1
    fi
    python3 "$here/machine.py" run "$work/machine" 'systemctl poweroff' >&2 || true
    python3 "$here/machine.py" end "$work/machine" 60 || { say "the machine does not power off"; return 1; }
}

make_base() { # DIR
    say "making the machine's root (once, about two minutes)"
    echo "root=PARTUUID=$ROOT_PART rootwait rw console=ttyS0 loglevel=5 systemd.show_status=1 net.ifnames=0" \
        "mitigations=off random.trust_cpu=on audit=0 panic=-1" >"$work/cmdline"
    debian
    first_boot
    rm -rf "$work/machine" "$work/root" "$work/spec.json"
    mv "$work" "$1"
    work=
}
