# SPDX-License-Identifier: BSD-2-Clause
"""A hold for somebody else in place of the backup: `hold`, a fault at a point of it or of its
`release`, what both came to, and the backup after it. The invariants are those of every cell."""
import signal

import cell as one_cell
import faults
import fault_process as process
import invariants
import scene as lab

LEASE = f"{faults.HOLD_US // 1_000_000}s"
HOLDING = ("ready", "hold-marker", "hold-mysql", "manifest", "freeze-1", "held")
RELEASING = ("thaw", "release-mysql", "release-marker")
POINTS = tuple(f"lent-{point}" for point in HOLDING + RELEASING)
HOLD_S = 30  # until a hold without a fault is there
GONE_US = 500_000  # from the end of who asked for it to the thaw
ENDED = (1, 5)  # of a release that nothing may be claimed by: it had ended, or never begun


class Command(lab.Client):
    """`stillpoint hold --json`, or release."""

    verb_options = {"hold": ["--lease", LEASE], "release": []}

    def __init__(self, scene, verb, name="client"):
        super().__init__(scene, name, self.verb_options[verb], verb)

    def result(self):
        return next((e for e in self.events() if "whole" in e and "event" not in e), {})


class LentCell(one_cell.Cell):
    def __init__(self, scene, fault, point):
        super().__init__(scene, fault, point.removeprefix("lent-"))
        self.name = f"{fault.name}@{point}"
        self.full_point = point
        self.releasing = self.point in RELEASING
        self.hold = self.release = None

    def _begin(self):
        self._clear_the_scene()
        if self.releasing:
            self.hold = self._told(Command(self.scene, "hold", "hold"))
        self.scene.points.arm(self.slot, self.skip)
        self.fault.order(self)
        self.client = Command(self.scene, "release" if self.releasing else "hold")

    @staticmethod
    def _told(hold):
        if hold.wait(HOLD_S) != 0:
            raise lab.SceneError(f"no hold without a fault: {hold.said()}")
        return hold

    def _after(self):
        self.fault.heal(self)
        self.exit_code = self.client.wait(one_cell.CLIENT_S)
        self.backup_id = self.client.backup_id()
        self.fault.end(self)
        if not self.fault.touches_mysql:  # a database's start may take longer than the lease
            self.scene.start_what_is_dead()
        self._release()
        self.scene.start_what_is_dead()
        if not lab.wait_for(self.scene.is_settled, one_cell.SETTLE_S):
            self.problems.append(f"4: not settled: {self.scene.status()}")
        self.problems += invariants.check_all(self)
        self._remember()
        self.state = f"release {self.release}"

    def _release(self):
        """What it says after all, is what may be claimed: never more than was proved."""
        lab.wait_for(self._is_decided, one_cell.SETTLE_S)
        client = Command(self.scene, "release", "release")
        self.release = client.wait(one_cell.CLIENT_S)
        right = self.fault.released(self)
        if self.release not in right:
            self.problems.append(f"6: release: exit {self.release}, right would be {right}: "
                                 f"{client.said()[:400]}")
        label = client.result().get("consistency")
        if label and not faults.at_most(label, self.expect.most):
            self.problems.append(f"5: released as {label}, at most {self.expect.most} was proved")

    def _is_decided(self):
        """Held, or nobody at it any more: in between another has the node, and no more is said."""
        status = self.scene.status()
        return "job" in status and (status["job"] is None or status["hold"] is not None)

    def row(self):
        return {**super().row(), "point": self.full_point}


class LentFault(process.Signalled):
    """One signal to some of the processes while one of them waits at the point."""

    cell_class = LentCell

    def __init__(self, name, number, parts):
        super().__init__(f"lent-{name}", number, parts, POINTS)

    def seconds(self, point):
        return 8 if self.stops else 5

    def thaw_due_us(self, cell):
        if self.parts == ("client",) and not cell.releasing:
            return cell.injected_us + GONE_US
        return super().thaw_due_us(cell)

    def is_spent(self, cell):
        return cell.client.ended()

    def expect(self, point):
        point = point.removeprefix("lent-")
        if self.client_dies:
            return faults.Expect((-signal.SIGKILL,), "application")
        at_release = self._at_release if point in RELEASING else self._at_hold
        return at_release(point)

    def _at_hold(self, point):
        late = process.GUARD_CAUSE + r"|deadline|lost|gone|interrupted|counted on|longer than"
        if self.touches_mysql:
            return faults.Expect((0, 3), "filesystem", process.MYSQL_CAUSE)
        if self.touches_daemon and self.number == signal.SIGKILL:
            return faults.Expect((6,), "crash", process.DAEMON_CAUSE)
        if self.number == signal.SIGTERM and self.touches_daemon:
            return faults.Expect((0, 1, 6), "crash", r"cancel|told to end|stillpointd|counted on")
        if self.touches_daemon and point in ("freeze-1", "held"):  # over when it was there
            return faults.Expect((1,), "crash", late)
        if point == "held":  # told that it is there, or already known that it is not
            return faults.Expect((0, 1, 3), "crash", late)
        return faults.Expect((0, 1, 3, 5), "application", late)

    def _at_release(self, point):
        if self.touches_daemon and self.number == signal.SIGKILL:
            return faults.Expect((6,), "crash", process.DAEMON_CAUSE)
        if point != "thaw" or (self.touches_daemon and self.number == signal.SIGTERM):
            return faults.Expect((0, 3), "application", ".")
        if self.touches_mysql:
            return faults.Expect((3,), "filesystem", process.MYSQL_CAUSE)
        if self.parts == ("freezer",) and self.stops:
            return faults.Expect((0, 3), "application", ".")  # the keeper lets go in time, as told
        return faults.Expect((1, 3), "crash", ".")

    def released(self, cell):
        """Right exit codes of the release at the end."""
        if cell.releasing:  # it was released, or has ended by that
            return ENDED
        if cell.exit_code in (0, 3) and cell.point != "held" and not self.touches_mysql:
            return (0, 3) + (ENDED if self.stops else ())  # it went on behind the fault
        if self.touches_mysql:
            return (3,)
        return ENDED


def _all():
    kill, stop = signal.SIGKILL, signal.SIGSTOP
    found = [LentFault("term-daemon", signal.SIGTERM, ("daemon",)),
             LentFault("kill-client", kill, ("client",)),
             LentFault("kill-mysqld", kill, ("mysql",)),
             LentFault("kill-guards", kill, process.GUARDS)]
    for part in ("daemon",) + process.GUARDS:
        found += [LentFault(f"kill-{part}", kill, (part,)), LentFault(f"stop-{part}", stop, (part,))]
    return found


FAULTS = _all()
