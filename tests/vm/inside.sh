#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What makes of a bare Debian tree the machine lab's node, before its first boot. base.sh calls it. Runs on
# the host, in the tree by chroot.
#   inside.sh --before ROOT                 before the packages: settings that these shall find
#   inside.sh ROOT ROOT-UUID EFI-UUID       when they are there
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "$1" = --before ]; then
    install -d "$2/etc/initramfs-tools"
    echo update_initramfs=no >"$2/etc/initramfs-tools/update-initramfs.conf" # none is booted
    install -D -m 644 "$here/guest/mariadb.cnf" "$2/etc/mysql/mariadb.conf.d/99-lab.cnf"
    exit
fi
root=$1 root_uuid=$2 efi_uuid=$3

put() { install -D -m 644 "$here/guest/$1" "$root$2"; }
into() { chroot "$root" "$@"; }

put stillpoint-lab.service /etc/systemd/system/stillpoint-lab.service
put lab.network /etc/systemd/network/lab.network
sed "s/@ROOT@/$root_uuid/; s/@EFI@/$efi_uuid/" "$here/guest/fstab" >"$root/etc/fstab"
printf '%s\n' virtio_console virtio_net >"$root/etc/modules-load.d/lab.conf"
echo kaltura-db1 >"$root/etc/hostname"
# EC2's own name leads to the lab's cloud, which has a certificate for it.
printf '%s\n' '127.0.0.1 localhost' '169.254.169.254 ec2.eu-west-1.amazonaws.com' >"$root/etc/hosts"
echo 'hosts: files' | sed -i -e '/^hosts:/{r /dev/stdin' -e 'd}' "$root/etc/nsswitch.conf"
: >"$root/etc/apt/sources.list"
rm -f "$root"/etc/apt/sources.list.d/*
: >"$root/etc/machine-id" # a first boot, as of an image
rm -f "$root"/boot/initrd* # nvme, ext4 and all that / needs is in this kernel

into useradd --create-home --shell /bin/bash clerk
into systemctl -q enable stillpoint-lab.service systemd-networkd.service cron.service \
    systemd-networkd-wait-online.service
# What a machine of two minutes needs not, and an emulated one is slow at.
into systemctl -q mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer lvm2-monitor.service lvm2-lvmpolld.socket getty@tty1.service \
    serial-getty@ttyS0.service systemd-hwdb-update.service systemd-journal-catalog-update.service \
    ldconfig.service systemd-pstore.service systemd-binfmt.service modprobe@drm.service
