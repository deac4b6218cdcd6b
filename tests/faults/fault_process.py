# SPDX-License-Identifier: BSD-2-Clause
"""Faults of processes: killed, stopped, told to end; ours and the database."""
import os
import select
import signal
import threading

import record
import scene as lab
from faults import (
    AFTER, BEFORE, DONE, FREE, FREEZES, FROZEN, HOOKS, LEASE_RUNS, POINTS, REHEARSAL, RELEASES,
    Expect,
)

KILLED_US = 100_000  # from the death of one process to the thaw
STOPPED_US = 250_000  # beyond the lease's end
RESTART_US = 1_000_000  # both guards are gone: until systemd has started another and it has thawed
WATCHDOG_US = 1_000_000  # beyond the lease's end, until systemd's watchdog bites
GUARDS = ("keeper", "freezer")
OURS = ("daemon", "keeper", "freezer", "client")

GUARD_CAUSE = r"guard|lease|thaw|froze|let go"
DAEMON_CAUSE = r"stillpointd|daemon"
MYSQL_CAUSE = r"mysql|database|server|connection"


def _proved_at_death(point):
    """What a daemon that died there had proved: the next start knows no more."""
    return "application" if point in AFTER[1:] else "crash"


class Signalled:
    """One signal to some of the processes while one of them waits at the point."""

    options = ()

    def __init__(self, name, number, parts, points=POINTS):
        self.name, self.number, self.parts, self.points = name, number, parts, points
        self.stops = number == signal.SIGSTOP
        self.both_guards = set(GUARDS) <= set(parts)
        self.outlasts_lease = self.both_guards and self.stops  # it takes the watchdog
        self.client_dies = "client" in parts and not self.stops
        self.touches_daemon = "daemon" in parts
        self.touches_mysql = "mysql" in parts

    def seconds(self, point):
        if "mysql" in self.parts:
            return 4
        return 6 if self.stops and point not in FREE else 2.5

    def order(self, cell):
        """Who is to be hit is found now: at the point there may be no time."""
        cell.hit = {part: cell.find(part) for part in self.parts if part != "client"}
        if self.both_guards:  # all others have to be thawed without a restart
            cell.scene.let_restart("guard")

    def inject(self, cell):
        if "client" in self.parts:
            cell.hit["client"] = cell.find("client")
        for part, (pid, started) in cell.hit.items():
            if not lab.sweep.alive(pid, started):
                raise lab.SceneError(f"no {part} to hit")
        cell.injected_us = record.boot_us()  # what the driver took until now is no delay of theirs
        for pid, _ in cell.hit.values():
            os.kill(pid, self.number)
        if self.stops:  # else it sees that it may go on before it stops
            stopped = [pid for pid, _ in cell.hit.values()]
            lab.wait_for(lambda: all(map(lab.is_stopped, stopped)), 1, 0.0005)

    def is_spent(self, cell):
        """Whether what the fault can do was done, where no lease's end says it."""
        return cell.client.ended() if self.touches_mysql else cell.scene.is_settled()

    def thaw_due_us(self, cell):
        """When the last mount is to be thawed."""
        if "mysql" in self.parts or self.parts == ("client",):
            return None  # nothing of the guard's: the hold runs its course
        if self.both_guards:
            if self.stops:
                return cell.lease_end_us() + WATCHDOG_US + RESTART_US
            return cell.injected_us + RESTART_US
        if self.stops:
            return cell.lease_end_us() + STOPPED_US
        return cell.injected_us + KILLED_US

    def heal(self, cell):
        if self.stops:
            for pid, started in cell.hit.values():
                if lab.sweep.alive(pid, started):
                    os.kill(pid, signal.SIGCONT)

    def end(self, cell):
        """Who dies of it is dead, and its twin with it, before the driver looks who is missing."""
        if not self.stops:
            dying = [one for part, one in cell.hit.items() if part != "client"]
            lab.wait_for(lambda: not any(lab.sweep.alive(*one) for one in dying), 10)
            if not self.both_guards and set(self.parts) & set(GUARDS):
                lab.wait_for(lambda: not any(map(cell.scene.pid, GUARDS)), 10)
        if self.both_guards:
            cell.scene.wait_restarted("guard")

    def expect(self, point):
        if self.touches_mysql:
            return self._expect_mysql(point)
        if self.client_dies:  # of everything at once it may see the daemon's end first
            if self.touches_daemon:
                return Expect((-signal.SIGKILL, 6), _proved_at_death(point))
            return Expect((-signal.SIGKILL,))
        if self.touches_daemon:
            return self._expect_daemon(point)
        if self.parts == ("client",):
            return Expect((0,))
        return self._expect_guard(point)

    def _expect_daemon(self, point):
        if point == REHEARSAL and self.number == signal.SIGSTOP:
            return Expect((0,))  # it was thawed in time, and the hold is another
        if self.number == signal.SIGKILL:
            return Expect((6,), _proved_at_death(point), DAEMON_CAUSE)
        if self.number == signal.SIGTERM:
            exits = (1,) if point in BEFORE + HOOKS + ("manifest",) + FREEZES else (0, 1, 6)
            return Expect(exits, cause=r"cancel|told to end|stillpointd")
        return self._expect_stopped(point)

    def _expect_stopped(self, point):
        """The daemon, with or without the others, until the lease is over."""
        late = GUARD_CAUSE + r"|deadline|lost|gone"
        if point in BEFORE:
            return Expect((0, 1, 3, 5), cause=late)
        if point in HOOKS + ("manifest",) + FREEZES + ("request",):
            return Expect((1,), cause=late)
        if point in FROZEN:  # the freeze itself may be seen to have lasted until the answer
            return Expect((3,), "crash" if point == "sent" else "filesystem", late)
        return Expect((0, 3), cause=late)

    def _expect_guard(self, point):
        if point == REHEARSAL:  # nothing is held for it, and nothing lost
            return Expect((1, 5), cause=GUARD_CAUSE + r"|longer than the hold")
        if self.name == "stop-freezer" and point in FROZEN:
            return Expect((0, 3), cause=GUARD_CAUSE)  # the keeper lets go in time, as told
        if point in FROZEN:
            return Expect((3,), "crash", GUARD_CAUSE)
        if point in RELEASES + AFTER:
            return Expect((0, 3), cause=GUARD_CAUSE)
        if point in BEFORE:  # it may be back before it is asked
            return Expect((0, 1, 5), cause=GUARD_CAUSE + r"|no answer from the filesystem")
        cause = GUARD_CAUSE + r"|no answer from the filesystem|longer than the hold"
        return Expect((1,), cause=cause)

    def _expect_mysql(self, point):
        if point in RELEASES + AFTER:  # proved by then: it is asked before the unlock
            return Expect((0, 3), cause=MYSQL_CAUSE)
        if self.stops and point in ("ready",) + HOOKS:  # its lock may be waited for too long
            return Expect((1, 3), "filesystem", MYSQL_CAUSE)
        return Expect((3,), "filesystem", MYSQL_CAUSE)


class RestartedMysql(Signalled):
    """The database is told to end, and started again as soon as it has ended."""

    HANGS_UP_S = 1  # far more than it takes; the hold bears it

    def __init__(self):
        super().__init__("restart-mysqld", signal.SIGTERM, ("mysql",))

    def inject(self, cell):
        """It lets its connections go only some time after the signal: until then it holds what was
        locked, and a job that asks it is told the truth."""
        with cell.scene.greeted_by_mysql() as witness:  # the newest, which it lets go last
            super().inject(cell)
            if not select.select([witness], [], [], self.HANGS_UP_S)[0]:
                cell.problems.append("the lab: the database kept its connections, "
                                     "the cell proves nothing")
        cell.helper = threading.Thread(target=self._start_again, args=(cell,))
        cell.helper.start()

    @staticmethod
    def _start_again(cell):
        if lab.wait_for(lambda: not lab.sweep.alive(*cell.hit["mysql"]), 20):
            cell.scene.start("mysql")

    def expect(self, point):
        if point in BEFORE:  # it may be back before it is asked
            return Expect((0, 3), cause=MYSQL_CAUSE)
        return super().expect(point)

    def heal(self, cell):
        cell.helper.join()

    def end(self, cell):
        pass


def _all():
    kill, stop, term = signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM
    found = []
    guarded = POINTS + (REHEARSAL,)
    for part in ("daemon",) + GUARDS:
        found += [Signalled(f"kill-{part}", kill, (part,), guarded),
                  Signalled(f"stop-{part}", stop, (part,), guarded)]
    return found + [
        Signalled("kill-guards", kill, GUARDS, guarded),
        Signalled("stop-guards", stop, GUARDS, guarded),
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
