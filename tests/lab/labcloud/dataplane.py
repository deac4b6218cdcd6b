# SPDX-License-Identifier: BSD-2-Clause
"""EBS as real block devices: every volume a range of one file, a snapshot one reflink of it.

DIR/pool.img is an XFS with reflinks, mounted at DIR/pool. DIR/pool/volumes holds all volumes, each
seen through a loop device of its own; one FICLONE of that file is one instant for all of them.
(Cloning file after file would not be: see the notes on moto.) Copies for restore are files
below DIR/pool/restored. Whatever is made here is found again by its path below DIR, so a sweep
needs no record. Needs root, xfsprogs and util-linux.
"""
import ctypes
import errno
import fcntl
import os
import struct
import subprocess
import threading
import time

FICLONE = 0x40049409
FICLONERANGE = 0x4020940D
FALLOC_FL_KEEP_SIZE_PUNCH_HOLE = 0x01 | 0x02
GIB = 1 << 30
GAP = 1 << 20  # between two volumes, so that an overrun would be seen and not believed
LOOP_LOCK = "/run/lock/stillpoint-lab-loop"
LOOP_SET_STATUS64, LOOP_GET_STATUS64 = 0x4C04, 0x4C05
LOOP_INFO_BYTES, LOOP_INFO_OFFSET = 232, 24  # struct loop_info64, its lo_offset and lo_sizelimit


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout.strip()


def loop_attach(path, offset=0, size=None, direct=True, sector=4096):
    """A new loop device over a range of PATH."""
    command = ["losetup", "--find", "--show", "--sector-size", str(sector), "--offset", str(offset)]
    if size is not None:
        command += ["--sizelimit", str(size)]
    command.append("--direct-io=on" if direct else "--direct-io=off")
    # Between losetup's search for a free device and its taking it another lab may come first.
    with open(LOOP_LOCK, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return run(*command, path)


def loop_detach(device):
    run("losetup", "--detach", device)
    # A detach while a descriptor is open only happens at the last close: wait for it, bounded.
    name = os.path.basename(device)
    # A mount namespace made while it was mounted keeps it for as long as it lasts.
    deadline = time.monotonic() + 20
    while os.path.exists(f"/sys/block/{name}/loop/backing_file"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{device} is still in use")
        time.sleep(0.01)


def is_held(device):
    """Whether it is mounted, in whatever namespace, or has something stacked on it: either claims
    the device, and so is in the way of one who asks for it alone."""
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return True
    return False


def loop_starve(device, offset):
    """From here on every read and write of DEVICE fails, as of a disk that was pulled out: it is
    moved to OFFSET, the end of its file."""
    descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    try:
        info = bytearray(LOOP_INFO_BYTES)
        fcntl.ioctl(descriptor, LOOP_GET_STATUS64, info)
        struct.pack_into("QQ", info, LOOP_INFO_OFFSET, offset, 0)
        fcntl.ioctl(descriptor, LOOP_SET_STATUS64, info)
    finally:
        os.close(descriptor)


class Volume:
    def __init__(self, volume_id, offset, size):
        self.volume_id, self.offset, self.size = volume_id, offset, size
        self.device = None


class Cut:
    """One reflink: the file, the ranges in it and the moments around the clone."""

    def __init__(self, path, ranges, begin, end):
        self.path, self.ranges = path, ranges
        self.begin_mono, self.begin_time = begin
        self.end_mono, self.end_time = end
        self.users = 0


class Dataplane:
    def __init__(self, directory, pool_gib=64, pool_image=None):
        self.directory = directory
        self.pool = os.path.join(directory, "pool")
        self.image = pool_image or os.path.join(directory, "pool.img")
        self.lock = threading.RLock()
        self.volumes = {}
        self.free = []  # (offset, size) of deleted volumes
        self.end = GAP
        self.cuts = 0
        self.restored = {}  # device -> path
        self.starved = []  # devices of volumes detached by force, until nobody holds them
        self.pool_device = None
        self._make(pool_gib)

    def _make(self, pool_gib):
        with open(self.image, "wb") as stream:
            stream.truncate(pool_gib * GIB)
        self.pool_device = loop_attach(self.image, direct=False)
        run("mkfs.xfs", "-q", "-K", "-m", "reflink=1,rmapbt=0", "-l", "size=128m", self.pool_device)
        os.makedirs(self.pool, exist_ok=True)
        run("mount", "-t", "xfs", "-o", "noatime", self.pool_device, self.pool)
        for name in ("sets", "restored"):
            os.mkdir(os.path.join(self.pool, name))
        self.backing = os.path.join(self.pool, "volumes")
        self.file = os.open(self.backing, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def add_volume(self, volume_id, size, snapshot=None):
        """Reserves a range of SIZE bytes; filled from (Cut, source volume id) where given."""
        with self.lock:
            for index, (offset, free_size) in enumerate(self.free):
                if free_size == size:
                    del self.free[index]
                    break
            else:
                offset, self.end = self.end, self.end + size + GAP
                os.ftruncate(self.file, self.end)
            volume = Volume(volume_id, offset, size)
            if snapshot is not None:
                cut, source = snapshot
                source_offset, source_size = cut.ranges[source]
                self._clone_range(
                    cut.path, source_offset, min(size, source_size), self.file, offset
                )
            self.volumes[volume_id] = volume
            return volume

    @staticmethod
    def _clone_range(source_path, source_offset, size, target, target_offset):
        source = os.open(source_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            order = struct.pack("qQQQ", source, source_offset, size, target_offset)
            fcntl.ioctl(target, FICLONERANGE, order)
        finally:
            os.close(source)

    def attach(self, volume_id):
        with self.lock:
            volume = self.volumes[volume_id]
            if volume.device is None:
                volume.device = loop_attach(self.backing, volume.offset, volume.size)
            return volume.device

    def detach(self, volume_id):
        """Takes the device away. False: it is held by somebody, and is still there."""
        with self.lock:
            volume = self.volumes.get(volume_id)
            if volume is None or volume.device is None:
                return True
            if self._has_device(volume):
                if is_held(volume.device):
                    return False
                run("losetup", "--detach", volume.device)
                # Open without being held (somebody reads it): it goes at the last close.
                end = time.monotonic() + 0.05
                while self._has_device(volume):
                    if time.monotonic() > end:
                        return False
                    time.sleep(0.002)
            volume.device = None
            return True

    def _has_device(self, volume):
        folder = f"/sys/block/{os.path.basename(volume.device)}/loop"
        try:
            with open(f"{folder}/backing_file", encoding="utf-8") as stream:
                path = stream.read().strip()
            with open(f"{folder}/offset", encoding="ascii") as stream:
                return path == self.backing and int(stream.read()) == volume.offset
        except OSError:
            return False

    def pull(self, volume_id):
        """Detaches at once; who holds the device reads and writes nothing any more."""
        with self.lock:
            volume = self.volumes[volume_id]
            if not self.detach(volume_id):
                loop_starve(volume.device, self.end)
                self.starved.append(volume.device)
                volume.device = None

    def drop_starved(self):
        """Gives back the devices that were pulled and that nobody holds now; True: none is left."""
        with self.lock:
            for device in list(self.starved):
                if not is_held(device):
                    run("losetup", "--detach", device)
                    self.starved.remove(device)
            return not self.starved

    def delete_volume(self, volume_id):
        with self.lock:
            volume = self.volumes.pop(volume_id)
            assert volume.device is None
            libc = ctypes.CDLL(None, use_errno=True)
            libc.fallocate(
                self.file,
                FALLOC_FL_KEEP_SIZE_PUNCH_HOLE,
                ctypes.c_int64(volume.offset),
                ctypes.c_int64(volume.size),
            )
            self.free.append((volume.offset, volume.size))

    def cut(self, volume_ids):
        """One instant of every volume named. Returns a Cut with no users yet."""
        with self.lock:
            self.cuts += 1
            path = os.path.join(self.pool, "sets", str(self.cuts))
            ranges = {
                volume_id: (self.volumes[volume_id].offset, self.volumes[volume_id].size)
                for volume_id in volume_ids
            }
            target = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                begin = (time.monotonic(), time.time())
                fcntl.ioctl(target, FICLONE, self.file)
                end = (time.monotonic(), time.time())
            finally:
                os.close(target)
            return Cut(path, ranges, begin, end)

    def use(self, cut):
        with self.lock:
            cut.users += 1

    def drop(self, cut):
        with self.lock:
            cut.users -= 1
            if cut.users <= 0:
                os.unlink(cut.path)

    def restore(self, snapshot_id, cut, volume_id):
        """A writable copy of one snapshot on a loop device of its own; returns the device."""
        with self.lock:
            offset, size = cut.ranges[volume_id]
            number = len(os.listdir(os.path.join(self.pool, "restored")))
            path = os.path.join(
                self.pool, "restored", f"{snapshot_id}.{number}.{time.monotonic_ns()}"
            )
            target = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(target, size)
                self._clone_range(cut.path, offset, size, target, 0)
            finally:
                os.close(target)
            device = loop_attach(path)
            self.restored[device] = path
            return device

    def recut(self, cut, volume_id, device):
        """What a device of restore() has now, as a cut of that volume alone; its begin and end are
        CUT's. For damage that a snapshot is to have."""
        with self.lock:
            self.cuts += 1
            path = os.path.join(self.pool, "sets", str(self.cuts))
            source = os.open(self.restored[device], os.O_RDONLY | os.O_CLOEXEC)
            target = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.fsync(source)
                fcntl.ioctl(target, FICLONE, source)
            finally:
                os.close(source)
                os.close(target)
            size = cut.ranges[volume_id][1]
            moments = (cut.begin_mono, cut.begin_time), (cut.end_mono, cut.end_time)
            return Cut(path, {volume_id: (0, size)}, *moments)

    def release(self, device):
        with self.lock:
            path = self.restored.pop(device)
            loop_detach(device)
            os.unlink(path)

    def show_volumes(self):
        """What holds the data of each: the range at offset of the file, whether attached or not."""
        with self.lock:
            return {
                volume.volume_id: {
                    "device": volume.device, "bytes": volume.size, "file": self.backing,
                    "offset": volume.offset,
                }
                for volume in self.volumes.values()
            }

    def down(self):
        """Takes everything down; goes on after a failure and reports it at the end."""
        failures = []
        with self.lock:
            for device in list(self.restored):
                self._try(failures, self.release, device)
            for volume in self.volumes.values():
                if volume.device is not None:
                    self._try(failures, loop_detach, volume.device)
            for device in self.starved:
                self._try(failures, loop_detach, device)
            os.close(self.file)
            self._try(failures, run, "umount", self.pool)
            self._try(failures, loop_detach, self.pool_device)
            self._try(failures, os.unlink, self.image)
        return failures

    @staticmethod
    def _try(failures, function, *arguments):
        try:
            function(*arguments)
        except (OSError, RuntimeError, KeyError) as error:
            failures.append(str(error))
