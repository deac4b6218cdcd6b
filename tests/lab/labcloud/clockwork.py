# SPDX-License-Identifier: BSD-2-Clause
"""What the cloud does later by itself: states that pass, devices that come and go.

One thread; every act runs with the world's lock held, like a request's. An act that fails is a
fault of the lab's: it is printed, and the others go on.
"""
import heapq
import itertools
import threading
import time
import traceback


class Clockwork:
    def __init__(self, lock):
        self._lock = lock  # the world's; taken before _wake's own
        self._wake = threading.Condition()
        self._due = []  # heap of (moment, number, act)
        self._number = itertools.count()
        self._ended = False
        threading.Thread(target=self._run, name="clockwork", daemon=True).start()

    def after(self, seconds, act):
        """Runs ACT so many seconds from now; at once, in the caller, for none. The caller has the
        world's lock."""
        if seconds <= 0:
            act()
            return
        with self._wake:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._number), act))
            self._wake.notify()

    def again(self, act, every_s=0.05):
        """Runs ACT now and then until it says True."""
        if not act():
            self.after(every_s, lambda: self.again(act, every_s))

    def hurry(self):
        """What is to come, comes now."""
        with self._wake:
            now = time.monotonic()
            self._due = [(min(due, now), number, act) for due, number, act in self._due]
            heapq.heapify(self._due)
            self._wake.notify()

    def end(self):
        with self._wake:
            self._ended = True
            self._due.clear()
            self._wake.notify()

    def _next(self):
        with self._wake:
            while not self._ended:
                left = self._due[0][0] - time.monotonic() if self._due else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._due)[2]
                self._wake.wait(left)
            return None

    def _run(self):
        while True:
            act = self._next()
            if act is None:
                return
            with self._lock:
                try:
                    if not self._ended:
                        act()
                except Exception:
                    traceback.print_exc()
