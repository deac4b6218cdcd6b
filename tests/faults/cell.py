# SPDX-License-Identifier: BSD-2-Clause
"""One cell: a backup, a fault at a point of it, what came of it, and the backup after it."""
import time

import faults
import invariants
import record
import scene as lab

REACH_S = 15  # until the backup comes to the point
CLIENT_S = 80  # until it ends after the fault was healed
SETTLE_S = 20
THAW_S = 300  # the independent thaw: no cell lasts as long
HELD_CHECK_US = 250_000


class Cell:
    def __init__(self, scene, fault, point):
        self.scene, self.fault, self.point = scene, fault, point
        self.slot, self.skip = faults.slot_of(point)
        self.name = f"{fault.name}@{point}"
        self.expect = fault.expect(point)
        self.hit, self.theirs, self.helper = {}, [], None
        self.injected_us = self.due_us = None
        self.client = self.exit_code = self.backup_id = None
        self.problems = []
        self.longest_us, self.state, self.seconds = 0, "gone", 0
        self.logs, self.log_tail = {}, []

    # -- what faults and checks ask ------------------------------------------------------------

    def find(self, part):
        """(pid, start time)"""
        if part != "client":
            return self.scene.find(part)
        pid = self.client.process.pid
        return pid, lab.sweep.start_time(pid)

    def lease_end_us(self):
        """Of the lease that runs; where none does yet, of the hold at the latest."""
        if self.point in faults.LEASE_RUNS:
            return self.scene.watch.deadline_us()
        return self.injected_us + faults.HOLD_US

    def fault_excuses_deadline(self):
        return bool(getattr(self.fault, "outlasts_lease", False))

    def was_cancelled(self):
        return "cancelled" in self.client.stderr()

    # -- the course ----------------------------------------------------------------------------

    def run(self):
        timer, begin = lab.ThawTimer(self.scene.mounts, THAW_S), time.monotonic()
        try:
            self._begin()
            self._fault()
            self._after()
            self._next_backup()
        except (lab.SceneError, lab.lab_node.NodeError, OSError, RuntimeError) as error:
            self.problems.append(f"the lab: {error}")
        finally:
            self._clean_up()
            left = timer.disarm()
            if left:
                self.problems.append(f"1: {left}")
            self.seconds = time.monotonic() - begin
        return self

    def _clear_the_scene(self):
        self.logs = self.scene.log_ends()
        self.scene.forget_the_dead()
        self.scene.points.clear()
        self.scene.empty_cloud()
        self.scene.watch.forget()

    def _begin(self):
        self._clear_the_scene()
        self.scene.points.arm(self.slot, self.skip)
        self.fault.order(self)
        self.client = self.scene.backup(image=self.point == "image", options=self.fault.options)

    def _fault(self):
        if not self.scene.points.wait_reached(self.slot, REACH_S, self.client.ended):
            raise lab.SceneError(f"{self.point} was not reached: {self.client.stderr().strip()}\n"
                                 f"{self.scene.where_they_wait()}")
        self.injected_us = record.boot_us()
        self.fault.inject(self)
        self.scene.points.go(self.slot)
        self.due_us = self.fault.thaw_due_us(self)
        self._watch()

    def _watch(self):
        """Until the time that the fault sets is over; nothing is healed before."""
        watch = self.scene.watch
        if self.due_us is None:
            if self.fault.stops:
                lab.wait_for(lambda: self.fault.is_spent(self), CLIENT_S, 0.02)
            return
        if self.fault.stops:
            self._until(self.due_us, self._nothing_held)
        else:
            lab.wait_for(watch.is_loose, 2, 0.002)
        self.problems += invariants.check_held(self)

    def _nothing_held(self):
        return self.point in faults.FREE and self.client.ended()

    @staticmethod
    def _until(end_us, enough):
        while record.boot_us() < end_us and not enough():
            time.sleep(0.005)

    def _after(self):
        self.fault.heal(self)
        self.exit_code = self.client.wait(CLIENT_S)
        self.backup_id = self.client.backup_id()
        self.fault.end(self)
        if self.exit_code == 6 and self.scene.pid("daemon"):
            self.scene.stop_daemon()  # the next start settles it
        self.scene.start_what_is_dead()
        if not lab.wait_for(self.scene.is_settled, SETTLE_S):
            self.problems.append(f"4: not settled: {self.scene.status()}")
        self.spoil()
        self.problems += invariants.check_all(self)
        self._remember()

    def spoil(self):
        """For the self-test, which breaks here what the check has to find."""

    def _remember(self):
        self.longest_us = max((f.length_us() for f in self.scene.watch.freezes()), default=0)
        mine = self.scene.sets().get(self.backup_id)
        self.state = invariants.set_state(mine) if mine else "gone"

    def _next_backup(self):
        client = self.scene.backup(name="next")
        code = client.wait(CLIENT_S)
        label = client.result().get("consistency")
        if code != 0 or label != "application":
            self.problems.append(f"6: the next backup: exit {code}, {label}: {client.said()[:400]}")

    def _clean_up(self):
        self.scene.points.clear()
        if self.client and not self.client.ended():
            self.client.process.kill()
            self.client.process.wait()
        if self.problems:
            self.log_tail = self.scene.log_since(self.logs)
            self.scene.rebuild(self)

    # -- the report ----------------------------------------------------------------------------

    def outcome(self):
        label = self.client.result().get("consistency", "-") if self.client else "-"
        return f"exit {self.exit_code}, {label}, {self.state}"

    def lines(self):
        """What is printed: one line, and below it why it is not ok."""
        word = "not ok" if self.problems else "ok"
        yield f"{word} {self.name:<30} {self.outcome():<36} {self.longest_us / 1000:7.1f} ms"
        if self.problems:
            yield from ("    " + text.replace("\n", "\n    ") for text in self.problems)
            yield from ("    | " + text[:300] for text in self.log_tail)
            yield f"    alone again: make POINTS=1 all && tests/faults/matrix.sh {self.name}"

    def row(self):
        """For the table."""
        return {
            "fault": self.fault.name, "point": self.point, "ok": not self.problems,
            "outcome": self.outcome(), "longest_ms": round(self.longest_us / 1000, 1),
            "seconds": round(self.seconds, 1), "why": self.problems,
        }
