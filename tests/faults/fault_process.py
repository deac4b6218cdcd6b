# SPDX-License-Identifier: BSD-2-Clause
"""Faults of processes: killed, stopped, told to end; ours and the database."""
import os
import signal
import threading

import record
import scene as lab
from faults import (
    AFTER, BEFORE, DONE, FREE, FREEZES, FROZEN, HOOKS, LEASE_RUNS, POINTS, RELEASES, Expect,
)

KILLED_US = 100_000  # from the death of one process to the thaw
STOPPED_US = 250_000  # beyond the lease's end
RESTART_US = 1_000_000  # both guards are dead: until another has started and thawed
GUARDS = ("keeper", "freezer")
OURS = ("daemon", "keeper", "freezer", "client")

GUARD_CAUSE = r"guard|lease|thaw|froze|let go"
DAEMON_CAUSE = r"stillpointd|daemon"
MYSQL_CAUSE = r"mysql|database|server|connection"


class Signalled:
    """One signal to some of the processes while one of them waits at the point."""

    options = ()

    def __init__(self, name, number, parts, points=POINTS):
        self.name, self.number, self.parts, self.points = name, number, parts, points
        self.stops = number == signal.SIGSTOP
        self.both_guards = set(GUARDS) <= set(parts)
        self.client_dies = "client" in parts and not self.stops
        self.touches_daemon = "daemon" in parts
        self.touches_mysql = "mysql" in parts

    def seconds(self, point):
        if "mysql" in self.parts:
            return 4
        return 5 if self.stops and point not in FREE else 2.5

    def order(self, cell):
        pass

    def inject(self, cell):
        cell.hit = {part: cell.pid(part) for part in self.parts}
        for part, pid in cell.hit.items():
            if not pid:
                raise lab.SceneError(f"no {part} to hit")
        for pid in cell.hit.values():
            os.kill(pid, self.number)

    def begin_help(self, cell):
        """What systemd would do at once."""
        if self.both_guards and not self.stops:
            cell.scene.start_guard_again()

    def late_help(self, cell):
        """What systemd's watchdog would do after the deadline."""
        if self.both_guards and self.stops:
            cell.scene.start_guard_again()

    def thaw_due_us(self, cell):
        """When the last mount is to be thawed."""
        if "mysql" in self.parts or self.parts == ("client",):
            return None  # nothing of the guard's: the hold runs its course
        if self.both_guards:
            return RESTART_US + (cell.lease_end_us() if self.stops else cell.injected_us)
        if self.stops:
            return cell.lease_end_us() + STOPPED_US
        return cell.injected_us + KILLED_US

    def heal(self, cell):
        if self.stops:
            for pid in cell.hit.values():
                if lab.sweep.start_time(pid) is not None:
                    os.kill(pid, signal.SIGCONT)

    def expect(self, point):
        if self.touches_mysql:
            return self._expect_mysql(point)
        if self.client_dies:
            return Expect((-signal.SIGKILL,))
        if self.touches_daemon:
            return self._expect_daemon(point)
        if self.parts == ("client",):
            return Expect((0,))
        return self._expect_guard(point)

    def _expect_daemon(self, point):
        if self.number == signal.SIGKILL:
            return Expect((6,), cause=DAEMON_CAUSE)
        if self.number == signal.SIGTERM:
            exits = (1,) if point in BEFORE + HOOKS + ("manifest",) + FREEZES else (0, 1, 6)
            return Expect(exits, cause=r"cancel|told to end|stillpointd")
        if point in LEASE_RUNS:
            return Expect((1, 3), "crash", GUARD_CAUSE + r"|deadline")
        if point in HOOKS + ("manifest",):
            return Expect((1, 3), "filesystem", r"deadline|lock|time|connection|late")
        return Expect((0, 3), cause=".")

    def _expect_guard(self, point):
        if point in LEASE_RUNS:
            return Expect((1, 3), "crash", GUARD_CAUSE)
        if point in RELEASES + AFTER:
            return Expect((0, 3), cause=GUARD_CAUSE)
        return Expect((1, 5) if point in BEFORE else (1,), cause=GUARD_CAUSE)

    def _expect_mysql(self, point):
        if point in AFTER + ("release-marker",):
            return Expect((0, 3), cause=MYSQL_CAUSE)
        if point == "release-mysql":  # proved by now: asked before the unlock
            return Expect((0, 3), cause=MYSQL_CAUSE)
        return Expect((0, 3) if self.stops else (3,), "application" if self.stops else "filesystem",
                      MYSQL_CAUSE)


class RestartedMysql(Signalled):
    """The database is told to end, and started again as soon as it has ended."""

    def __init__(self):
        super().__init__("restart-mysqld", signal.SIGTERM, ("mysql",))

    def inject(self, cell):
        super().inject(cell)
        cell.helper = threading.Thread(target=self._start_again, args=(cell,))
        cell.helper.start()

    @staticmethod
    def _start_again(cell):
        if lab.wait_for(lambda: lab.sweep.start_time(cell.hit["mysql"]) is None, 20):
            cell.scene.start("mysql")

    def heal(self, cell):
        cell.helper.join()


def _all():
    kill, stop, term = signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM
    found = []
    for part in ("daemon",) + GUARDS:
        found += [Signalled(f"kill-{part}", kill, (part,)), Signalled(f"stop-{part}", stop, (part,))]
    return found + [
        Signalled("kill-guards", kill, GUARDS),
        Signalled("stop-guards", stop, GUARDS),
        Signalled("kill-client", kill, ("client",)),
        Signalled("stop-client", stop, ("client",)),
        Signalled("kill-all", kill, OURS),
        Signalled("stop-all", stop, OURS),
        Signalled("term-daemon", term, ("daemon",)),
        Signalled("term-guard", term, ("keeper",)),
        Signalled("kill-mysqld", kill, ("mysql",)),
        Signalled("stop-mysqld", stop, ("mysql",)),
        RestartedMysql(),
    ]


FAULTS = _all()
