# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What root.sh has the bare machine do, once: MariaDB's data onto LVM over two volumes, XFS on a third.
set -eux -o pipefail

timeout 120 systemctl is-system-running --wait || true # degraded, say: what counts fails below

by_serial() { # the kernel's name of the disk with that serial number
    local folder
    for folder in /sys/class/block/nvme*n1; do
        if [ "$(tr -d ' ' <"$folder/device/serial")" = "$1" ]; then
            echo "/dev/${folder##*/}"
            return
        fi
    done
    return 1
}

data1=$(by_serial data1) data2=$(by_serial data2) media=$(by_serial media)
pvcreate -q "$data1" "$data2"
vgcreate -q data "$data1" "$data2"
# Striped: every larger file lies on both volumes.
lvcreate -q -y -i 2 -I 64k -l 90%VG -n mysql data
mkfs.ext4 -q -N 16384 -E lazy_itable_init=0,lazy_journal_init=0 -J size=16 /dev/data/mysql
mkfs.xfs -q "$media"
{
    echo "/dev/mapper/data-mysql /var/lib/mysql ext4 defaults 0 2"
    echo "UUID=$(blkid -s UUID -o value "$media") /srv/media xfs defaults 0 2"
} >>/etc/fstab

systemctl stop mariadb
mv /var/lib/mysql /var/lib/mysql.first
mkdir -p /var/lib/mysql /srv/media
systemctl daemon-reload
mount /var/lib/mysql
mount /srv/media
chown mysql:mysql /var/lib/mysql
chmod 755 /var/lib/mysql
cp -a /var/lib/mysql.first/. /var/lib/mysql/
rm -rf /var/lib/mysql.first
systemctl start mariadb
mariadb -e "CREATE USER stillpoint@localhost IDENTIFIED VIA unix_socket;
    GRANT RELOAD, PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.* TO stillpoint@localhost;
    CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY, said VARCHAR(200)) ENGINE=InnoDB"
: >/etc/machine-id
journalctl --rotate --vacuum-size=1 >/dev/null 2>&1 || true
