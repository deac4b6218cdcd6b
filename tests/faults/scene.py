# SPDX-License-Identifier: BSD-2-Clause
"""The lab that the cells run in, one after the other: its processes by part, its cloud, a backup as
a user starts it, and the thaw that is armed independently of all of it."""
import errno
import fcntl
import glob
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LAB_CODE = os.path.join(os.path.dirname(HERE), "lab")
sys.path.insert(0, LAB_CODE)

import fault_cloud  # noqa: E402
import labclient  # noqa: E402
import node as lab_node  # noqa: E402
import points as named_points  # noqa: E402
import record  # noqa: E402
import sweep  # noqa: E402

FIFREEZE, FITHAW = 0xC0045877, 0xC0045878


class SceneError(Exception):
    """The lab itself is broken: no cell can be judged."""


def wait_for(what, timeout_s, every_s=0.01):
    """What WHAT gives as soon as it is true, else its last answer after TIMEOUT_S."""
    end = time.monotonic() + timeout_s
    while True:
        value = what()
        if value or time.monotonic() >= end:
            return value
        time.sleep(every_s)


def read_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def is_stopped(pid):
    """Every thread of it; one that is gone counts."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return True
    stats = [read_text(f"/proc/{pid}/task/{thread}/stat") for thread in threads]
    return all(not stat or stat.rpartition(")")[2].split()[0] in "TZX" for stat in stats)


class Client:
    """`stillpoint backup --json`, or another VERB, as a process of its own, its output in files."""

    def __init__(self, scene, name, arguments, verb="backup"):
        self._out = os.path.join(scene.directory, f"{name}.out")
        self._err = os.path.join(scene.directory, f"{name}.err")
        command = [scene.program("stillpoint"), "--config", scene.config, verb, "--json"]
        with open(self._out, "wb") as out, open(self._err, "wb") as err:
            self.process = subprocess.Popen(
                command + arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                # a shell that has put us in the background has it ignored
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        sweep.record_pid(scene.directory, self.process.pid, "client")

    def ended(self):
        return self.process.poll() is not None

    def wait(self, timeout_s):
        """Its exit code; a negative signal; None where it does not end."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def events(self):
        found = []
        for line in read_text(self._out).splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                pass  # it was killed in the middle of a line
        return found

    def backup_id(self):
        return next((e["id"] for e in self.events() if e.get("event") == "accepted"), None)

    def result(self):
        """The backup as it was told, or {}."""
        return next((e for e in self.events() if "snapshots" in e and "event" not in e), {})

    def stderr(self):
        return read_text(self._err)

    def said(self):
        """All words of it in which a cause may stand."""
        words = [self.stderr()]
        for event in self.events():
            if event.get("event") in ("warning", "error", "cancelling"):
                words += [str(value) for value in event.values()]
        words += [str(reason) for reason in self.result().get("shortfall", [])]
        return "\n".join(words)


class ThawTimer:
    """tests/lab/thaw_timer.py over all mounts of the lab, for one cell."""

    def __init__(self, mounts, seconds):
        self._process = subprocess.Popen(
            [sys.executable, "-S", os.path.join(LAB_CODE, "thaw_timer.py"), str(seconds), *mounts],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        if self._process.stdout.readline().strip() != "armed":
            raise SceneError("the thaw timer did not start")

    def ended(self):
        return self._process.poll() is not None

    def disarm(self):
        """What it found frozen, as text; "" for nothing."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        _, said = self._process.communicate(timeout=20)
        return said.strip()


class Scene:
    def __init__(self, directory):
        self.directory = directory
        self.node = lab_node.load(directory)
        self.config = self.node["config"]
        self.mounts = [mount["at"] for mount in self.node["mounts"]]
        self.cloud = labclient.Lab(directory)
        self.ec2 = self.cloud.ec2()
        self.run = os.path.join(directory, "run")
        self.points = named_points.Points(self.node["points"])
        self.watch = record.Watch(os.path.join(self.run, "guard.lease"))
        self.rcu = read_text(self.node["rcu_expedited"])
        self._twin_of, self._twin = (0, None), (0, None)  # the last keeper seen, its freezer
        self.sql("CREATE TABLE IF NOT EXISTS lab.probe (n INT)")
        self.cloud.post("set", fault_cloud.CALM)
        for part in lab_node.PARTS:
            lab_node.switch_off(directory, part)
        self._state_on_tmpfs()
        self.marker = os.path.join(directory, "run", "held")  # made by the exec hook at hold
        self.idle = None
        self.kept_state = self.kept_run = frozenset()

    def _state_on_tmpfs(self):
        """So that it can be filled up without the machine's disk."""
        about = os.stat(self.node["state"])
        self.stop_daemon()
        lab_node.tmpfs(self.node["state"], "512k", "750")
        os.chown(self.node["state"], about.st_uid, about.st_gid)
        self.start("daemon")

    def close(self):
        self.points.clear()
        self.watch.close()

    def program(self, name):
        return lab_node.program(self.node, name)

    def log_ends(self):
        """How long the logs of our two services are."""
        paths = [os.path.join(self.directory, "log", f"{part}.log") for part in ("daemon", "guard")]
        return {path: os.path.getsize(path) for path in paths}

    @staticmethod
    def log_since(ends, at_most=25):
        found = []
        for path, end in ends.items():
            with open(path, encoding="utf-8", errors="replace") as stream:
                stream.seek(end)
                found += stream.read().splitlines()[-at_most:]
        return found

    # -- processes -----------------------------------------------------------------------------

    def find(self, part):
        """(pid, start time) of daemon, keeper, freezer, mysql, hook; (0, None) where it does not
        run. A pid alone is not enough to kill by: another process may have it by then."""
        if part == "freezer":
            return self._freezer()
        name = "guard" if part == "keeper" else part
        found = [one[:2] for one in sweep.processes(self.directory) if one[2] == name]
        if name in lab_node.PARTS:  # only what is ready: the guard has passing helpers
            ready = read_text(lab_node.ready_path(self.directory, name)).strip()
            found = [one for one in found if str(one[0]) == ready]
        return found[-1] if found else (0, None)

    def pid(self, part):
        return self.find(part)[0]

    def forget_the_dead(self):
        """The lab's list of processes grows with every cell, and is read at every look."""
        path = os.path.join(self.directory, "pids")
        alive = sweep.processes(self.directory)
        with open(path + ".new", "w", encoding="utf-8") as stream:
            stream.writelines(f"{pid} {started} {name}\n" for pid, started, name in alive)
        os.rename(path + ".new", path)

    def _freezer(self):
        """The keeper's child; known from when the keeper lived, if it does not any more."""
        keeper, started = self.find("keeper")
        children = [int(pid) for pid in read_text(f"/proc/{keeper}/task/{keeper}/children").split()]
        if keeper and children and self._twin_of != (keeper, started):
            self._twin_of = (keeper, started)
            self._twin = (children[0], sweep.start_time(children[0]))
        return self._twin if sweep.alive(*self._twin) else (0, None)

    def start(self, part):
        """As systemctl start. Afterwards it is not restarted when it ends: a cell says who is."""
        if part in lab_node.PARTS:  # the word of one that has just ended is no word of the next
            ready = lab_node.ready_path(self.directory, part)
            one = "keeper" if part == "guard" else part
            wait_for(lambda: not os.path.exists(ready) or self.pid(one), 5)
        lab_node.STARTERS[part](self.directory, self.node)
        if part in lab_node.PARTS:
            lab_node.switch_off(self.directory, part)
        if part == "guard":
            self.find("freezer")  # to be known when its keeper is dead

    def let_restart(self, part):
        """The stand-in for systemd (restarter.py) does from now on as its unit says."""
        if os.path.exists(lab_node.off_path(self.directory, part)):
            os.unlink(lab_node.off_path(self.directory, part))

    def wait_restarted(self, part):
        if not os.path.exists(lab_node.off_path(self.directory, part)):
            self.start(part)

    def kill_left(self, *parts):
        for pid, started in [self.find(part) for part in parts]:
            if sweep.alive(pid, started):
                os.kill(pid, signal.SIGKILL)
                wait_for(lambda pid=pid, started=started: not sweep.alive(pid, started), 5)

    def start_what_is_dead(self):
        if not self.pid("keeper") or not self.pid("freezer"):
            self.kill_left("keeper", "freezer")
            self.start("guard")
        for part in ("hook", "mysql", "daemon"):
            if not self.pid(part):
                self.start(part)

    def step_clock(self, ahead_s):
        """The wall clock of all of ours, from now on: seconds beside the machine's."""
        with open(os.path.join(self.run, lab_node.CLOCK), "r+b", buffering=0) as stream:
            stream.write(struct.pack("=q", ahead_s))

    def stop_daemon(self):
        lab_node.stop_part(self.directory, "daemon", signal.SIGTERM)

    # -- the agent -----------------------------------------------------------------------------

    def backup(self, image=False, name="client", options=()):
        return Client(self, name, ([] if image else ["--no-image"]) + list(options))

    def status(self):
        """status --json, or {} where nobody answers."""
        try:
            done = subprocess.run(
                [self.program("stillpoint"), "--config", self.config, "status", "--json"],
                capture_output=True, text=True, timeout=20, check=False,
            )
            return json.loads(done.stdout or "{}")
        except (subprocess.TimeoutExpired, ValueError):
            return {}

    def is_settled(self):
        status = self.status()
        return (
            "job" in status
            and status["job"] is None
            and not status["finishing"]
            and status["unsettled"] == []
        )

    def daemon_weight(self):
        """What a daemon that does nothing has: descriptors, children."""
        pid = self.pid("daemon")
        try:
            descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            return None
        return descriptors, read_text(f"/proc/{pid}/task/{pid}/children").split()

    def learn_idle(self):
        """Once, with a daemon that has made a backup and is at rest."""
        self.idle = min(self.daemon_weight()[0] for _ in range(20) if not time.sleep(0.02))
        self.kept_state = frozenset(os.listdir(self.node["state"])) | {"hold.json"}  # lent.py
        self.kept_run = frozenset(os.listdir(self.run)) | {
            f"{word}-{part}" for word in ("notify", "ready", "no-restart") for part in lab_node.PARTS
        }

    def is_idle(self):
        weight = self.daemon_weight()
        return weight is not None and weight[0] <= self.idle and not weight[1]

    def rebuild(self, cell):
        """After a cell that failed: whatever it left, the next one begins with a whole lab."""
        for part in lab_node.PARTS:
            lab_node.switch_off(self.directory, part)
        for path in self.mounts:
            if sweep.thaw(path):
                cell.problems.append(f"1: {path} had to be thawed by the driver")
        self.kill_left("daemon", "keeper", "freezer")
        self.watch.close()
        self.watch = record.Watch(os.path.join(self.run, "guard.lease"))
        if os.path.exists(self.marker):
            os.unlink(self.marker)
        self.start_what_is_dead()

    def where_they_wait(self):
        """Each thread of ours: what it waits for, and in which calls of the kernel."""
        lines = [f"status: {self.status()}"]
        for part in ("daemon", "keeper", "freezer"):
            pid = self.pid(part)
            for task in sorted(glob.glob(f"/proc/{pid}/task/*")) if pid else ():
                calls = [line.split()[-1].split("+")[0]
                         for line in read_text(f"{task}/stack").splitlines()]
                call = " ".join(read_text(f"{task}/syscall").split()[:4])
                lines.append(f"{part} {os.path.basename(task)}: syscall {call}, "
                             f"in {read_text(f'{task}/wchan')}: {' < '.join(calls[:8])}")
        return "\n".join(lines)

    # -- what is held --------------------------------------------------------------------------

    def is_frozen(self, path):
        """By FIFREEZE. Only when none of the guard's may still run."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, FIFREEZE, 0)
        except OSError as error:
            return error.errno == errno.EBUSY
        else:
            fcntl.ioctl(descriptor, FITHAW, 0)
            return False
        finally:
            os.close(descriptor)

    def sql(self, text, timeout_s=4):
        """What the server says; SceneError where it does not do it in time."""
        command = ["mariadb", "--no-defaults", "--socket", self.node["mysql"]["socket"], "-u",
                   "root", "-N", "-B", "-e", text]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired:
            raise SceneError(f"the server did not answer within {timeout_s} s") from None
        if done.returncode != 0:
            raise SceneError(done.stderr.strip())
        return done.stdout

    def greeted_by_mysql(self, timeout_s=1):
        """A connection that the server knows of and that has not logged in."""
        one = socket.socket(socket.AF_UNIX)
        try:
            one.settimeout(timeout_s)
            one.connect(self.node["mysql"]["socket"])
            if not one.recv(4096):
                raise ConnectionResetError("it hung up instead")
        except OSError as error:
            one.close()
            raise SceneError(f"the server did not greet: {error}") from None
        return one

    def writer_waits(self):
        """Why a write is not taken, "" where it is. Only when the mounts are thawed."""
        try:
            self.sql("SET lock_wait_timeout=1; INSERT INTO lab.probe VALUES (1);"
                     "DELETE FROM lab.probe")
        except SceneError as error:
            return str(error)
        return ""

    # -- EC2 -----------------------------------------------------------------------------------

    def sets(self):
        """{backup id or "": {"snapshots": [...], "images": [...]}}"""
        found = {}
        for kind in ("snapshots", "images"):
            for one in self.cloud.get(kind):
                key = one["tags"].get("stillpoint:id", "")
                found.setdefault(key, {"snapshots": [], "images": []})[kind].append(one)
        return found

    def empty_cloud(self):
        """Nothing of an earlier cell is there; the faults are off."""
        self.cloud.post("faults", {})
        self.cloud.post("reset", {})
        self.cloud.post("set", fault_cloud.CALM)
        for image in self.cloud.get("images"):
            self.ec2.deregister_image(ImageId=image["id"])
        for snapshot in self.cloud.get("snapshots"):
            self.ec2.delete_snapshot(SnapshotId=snapshot["id"])
