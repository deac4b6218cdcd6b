# SPDX-License-Identifier: BSD-2-Clause
"""The random killer: soak.py DIR --kills|--seconds N SEED (soak.sh starts it in a lab of its own).

Each round is a backup with one signal to a random process at a random moment. The restarter stands
in for systemd, so that nothing is healed by hand but what was stopped and the database."""
import os
import random
import signal
import subprocess
import sys
import threading
import time

import faults
import invariants
import matrix
import record
import scene as lab

VICTIMS = ("daemon", "keeper", "freezer", "guards", "client", "mysql", "all")
WEIGHTS = (6, 4, 4, 3, 2, 1, 2)
PARTS = {"guards": ("keeper", "freezer"), "all": ("daemon", "keeper", "freezer", "client")}
SIGNALS = (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM)
SIGNAL_WEIGHTS = (16, 3, 1)
MOMENT_S = 1.4  # a backup without an image takes about as long
CLIENT_S, SETTLE_S, THAW_S = 90, 40, 600


class Blow:
    """What hits a round; the part of a fault that the checks ask."""

    options = ()

    def __init__(self, chance):
        self.victim = chance.choices(VICTIMS, WEIGHTS)[0]
        self.number = chance.choices(SIGNALS, SIGNAL_WEIGHTS)[0]
        if self.victim == "client" and self.number == signal.SIGTERM:
            self.number = signal.SIGKILL
        self.parts = PARTS.get(self.victim, (self.victim,))
        self.after_s = chance.uniform(0, MOMENT_S)
        self.lasts_s = chance.uniform(0.2, 4) if self.number == signal.SIGSTOP else 0
        self.image = chance.random() < 0.25
        self.exchange_ms = chance.choice((60, 300, 600))  # the hold is about as long
        # the watchdog comes after the lease, and the restart after it
        self.outlasts_lease = self.victim in ("guards", "all") and self.lasts_s > 0

    def __str__(self):
        name = self.number.name.removeprefix("SIG").lower()
        stay = f" for {self.lasts_s * 1000:.0f} ms" if self.lasts_s else ""
        return f"{name} {self.victim} at {self.after_s * 1000:.0f} ms{stay}"


class Load:
    """Writers of files and of rows, started again when the database takes them along."""

    def __init__(self, scene):
        self._scene, self._end = scene, threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(option,), daemon=True)
            for option in ("--no-sql", "--no-files")
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, option):
        command = [self._scene.program("tests/lab/writer"), "--lab", self._scene.directory, option,
                   "--pause-us", "20000", "--txn-pause-us", "20000"]
        while not self._end.is_set():
            with subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) as child:
                lab.sweep.record_pid(self._scene.directory, child.pid, "writer")
                while child.poll() is None and not self._end.wait(0.2):
                    pass
                if child.poll() is None:
                    child.terminate()
            self._end.wait(0.5)

    def stop(self):
        self._end.set()
        for thread in self._threads:
            thread.join(20)


class Round:
    """One backup; as a cell of the matrix is, for invariants.check_all."""

    def __init__(self, scene, number, blow):
        self.scene, self.number, self.fault = scene, number, blow
        self.name, self.point = f"round {number}", "any"
        self.expect = faults.Expect((0, 1, 3, 4, 5, 6, -9, -15), "application", ".")
        self.theirs, self.problems = [], []
        self.injected_us = self.due_us = None
        self.client = self.exit_code = self.backup_id = None
        self.longest_us = 0

    def fault_excuses_deadline(self):
        return self.fault.outlasts_lease

    def was_cancelled(self):
        return True  # who was told to end says no remedy

    def run(self):
        timer = lab.ThawTimer(self.scene.mounts, THAW_S)
        logs = self.scene.log_ends()
        try:
            self._strike()
            self._after()
        except lab.SceneError as error:
            self.problems.append(f"the lab: {error}")
        left = timer.disarm()
        if left:
            self.problems.append(f"1: {left}")
        if self.problems:
            self.problems += self.scene.log_since(logs)
        return self

    def _strike(self):
        scene, blow = self.scene, self.fault
        scene.forget_the_dead()
        scene.empty_cloud()
        scene.cloud.post("set", {"latency_ms": {"CreateSnapshots": blow.exchange_ms}})
        scene.watch.forget()
        self.client = scene.backup(image=blow.image)
        time.sleep(blow.after_s)
        hit = []
        for part in blow.parts:
            pid, started = (self.client.process.pid, None) if part == "client" else scene.find(part)
            if pid and (part != "client" or not self.client.ended()):
                hit.append((pid, started or lab.sweep.start_time(pid)))
        self.injected_us = record.boot_us()
        for pid, _ in hit:
            self._signal(pid, blow.number)
        if blow.lasts_s:
            time.sleep(blow.lasts_s)
            for pid, started in hit:
                if lab.sweep.alive(pid, started):
                    self._signal(pid, signal.SIGCONT)

    @staticmethod
    def _signal(pid, number):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass

    def _after(self):
        scene = self.scene
        self.exit_code = self.client.wait(CLIENT_S)
        self.backup_id = self.client.backup_id()
        if self.fault.victim == "mysql" and not self.fault.lasts_s:  # it may have much to put away
            lab.wait_for(lambda: not scene.pid("mysql"), 60)
        if not scene.pid("mysql"):
            scene.start("mysql")
        if not lab.wait_for(scene.is_settled, SETTLE_S, 0.05):
            self.problems.append(f"4: not settled: {scene.status()}")
        lab.wait_for(scene.watch.is_loose, 5)
        self.problems += invariants.check_all(self)
        self.longest_us = max((f.length_us() for f in scene.watch.freezes()), default=0)

    def line(self):
        word = "not ok" if self.problems else "ok"
        label = self.client.result().get("consistency", "-") if self.client else "-"
        return (f"{word} {self.number} {str(self.fault):<34} exit {self.exit_code}, {label:<12} "
                f"{self.longest_us / 1000:7.1f} ms")


def calm_backup(scene):
    """Between the blows the node must be as good as new, as soon as all of it has been started again."""
    lab.wait_for(lambda: all(map(scene.pid, ("daemon", "hook", "keeper", "freezer"))), 10)
    client = scene.backup(name="calm")
    code = client.wait(CLIENT_S)
    label = client.result().get("consistency")
    return "" if code == 0 and label == "application" else f"exit {code}, {label}: {client.said()}"


def main(directory, unit, amount, seed):
    scene = lab.Scene(directory)
    matrix.warm(scene)
    for part in lab.lab_node.PARTS:
        scene.let_restart(part)
    load = Load(scene)
    chance = random.Random(seed)
    end = time.monotonic() + int(amount) if unit == "--seconds" else float("inf")
    number = failed = 0
    longest = 0
    while failed == 0 and time.monotonic() < end and (unit == "--seconds" or number < int(amount)):
        number += 1
        one = Round(scene, number, Blow(chance)).run()
        longest = max(longest, one.longest_us)
        if number % 5 == 0 and not one.problems:
            said = calm_backup(scene)
            one.problems += [f"6: the next backup: {said}"] if said else []
        print(one.line(), flush=True)
        for text in one.problems:
            print("    " + text.replace("\n", "\n    "), flush=True)
        failed += bool(one.problems)
    load.stop()
    scene.close()
    print(f"# {number} kills, {failed} broke an invariant, longest freeze {longest / 1000:.1f} ms")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
