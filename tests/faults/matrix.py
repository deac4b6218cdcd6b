# SPDX-License-Identifier: BSD-2-Clause
"""The cells of the matrix: which there are, and a run of them in a lab that is up.

    matrix.py list [--sample SEED | CELL...]   names, one a line, the longest first; a CELL may be a
                                               pattern ('kill-*@sent')
    matrix.py run DIR QUEUE RESULTS            takes names from QUEUE (several labs may share it)
                                               until it is empty; a JSON line each into RESULTS
    matrix.py selftest DIR                     breaks each invariant on purpose
    matrix.py table RESULTS OUT                OUT becomes the table; exit 1 if a cell failed
"""
import fcntl
import fnmatch
import json
import random
import sys

import cell as one_cell
import fault_cloud
import fault_process
import fault_site
import faults
import lent
import report
import scene as lab
import selftest

SAMPLE_S = 200  # of all labs together
SAMPLE_CELL_S = 30  # what takes longer is left to the whole run
FAULTS = {
    fault.name: fault for fault in
    fault_process.FAULTS + fault_cloud.FAULTS + fault_site.FAULTS + lent.FAULTS
}


def every():
    return [f"{fault.name}@{point}" for fault in FAULTS.values() for point in fault.points]


def sample(seed):
    """Cells in which each fault and each point occurs, and as many others as there is time for."""
    chance = random.Random(seed)
    cells = [name for name in every() if seconds_of(name) <= SAMPLE_CELL_S]
    chance.shuffle(cells)
    faults_left, points_left = set(FAULTS), set(faults.POINTS + lent.POINTS)
    chosen = []
    for need in (2, 1):  # first those that bring both
        for name in cells:
            fault, _, point = name.partition("@")
            if (fault in faults_left) + (point in points_left) >= need:
                chosen.append(name)
                faults_left.discard(fault)
                points_left.discard(point)
    for name in cells:
        if sum(map(seconds_of, chosen)) >= SAMPLE_S:
            break
        if name not in chosen:
            chosen.append(name)
    return chosen


def named(patterns):
    found = [name for name in every() if any(fnmatch.fnmatch(name, p) for p in patterns)]
    unknown = [p for p in patterns if not fnmatch.filter(every(), p)]
    if unknown:
        sys.exit(f"matrix: no cell {' '.join(unknown)}: FAULT@POINT, see `matrix.sh --list`")
    return found


def seconds_of(name):
    """About how long a cell takes: the long ones go first, so that the labs end together."""
    fault, _, point = name.partition("@")
    return FAULTS[fault].seconds(point)


def chosen(arguments):
    if not arguments:
        return every()
    return sample(arguments[1]) if arguments[0] == "--sample" else named(arguments)


def take(queue):
    """The first name of the queue, which loses it; None when it is empty."""
    with open(queue, "r+", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        names = stream.read().split()
        stream.seek(0)
        stream.truncate()
        stream.write("\n".join(names[1:]))
    return names[0] if names else None


def warm(scene):
    """Two backups, so that what is opened once is open."""
    timer = lab.ThawTimer(scene.mounts, 60)
    for _ in range(2):
        client = scene.backup(image=True)
        if client.wait(30) != 0:
            raise lab.SceneError(f"no backup without a fault: {client.said()}")
    if timer.disarm():
        raise lab.SceneError("a backup without a fault left something frozen")
    scene.learn_idle()


def run_one(scene, name):
    fault, _, point = name.partition("@")
    cell_class = getattr(FAULTS[fault], "cell_class", one_cell.Cell)
    return cell_class(scene, FAULTS[fault], point).run()


def run(directory, queue, results):
    scene = lab.Scene(directory)
    warm(scene)
    while (name := take(queue)) is not None:
        done = run_one(scene, name)
        print("\n".join(done.lines()), flush=True)
        with open(results, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(done.row()) + "\n")
    scene.close()


def main(command, *arguments):
    if command == "list":
        print("\n".join(sorted(chosen(arguments), key=seconds_of, reverse=True)))
    elif command == "run":
        run(*arguments)
    elif command == "selftest":
        scene = lab.Scene(*arguments)
        warm(scene)
        return selftest.run(scene)
    else:
        return report.write(*arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
