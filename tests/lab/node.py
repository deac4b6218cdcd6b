#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The process lab's node: an instance with real filesystems, a real MariaDB and our programs.

    node.py up DIR [options]          needs a running cloud in DIR (cloud.py)
    node.py down DIR                  stops and unmounts; DIR and its logs stay; the cloud too
    node.py start DIR PART            PART: mysql, guard, hook, daemon, restarter
    node.py stop DIR PART [SIGNAL]    default TERM; waits until it has gone
    node.py reboot DIR [--hard]       down and up again (reboot.py); --halt, --boot: one half of it

With the restarter (restarter.py) guard, hook and daemon are its own: stop and start are then what
systemctl's are, and to stop the restarter ends them all.

Options of up:
    --no-mysql, --no-agent   without the database; without guard, hook listener and daemon
    --restarter              these three under a stand-in for systemd, which restarts them
    --volumes N              N more volumes (/dev/sdh...), ext4 and XFS in turn, at /srv/dataN
    --size-gib N             of each volume (1)
    --layout separate|binlog-in-data|data-in-binlog|one   how the two mounts of MariaDB nest; one:
                             neither is there, everything lies on the root volume
    --server TREE            the database from a tree (lab_server.py) instead of the machine's
    --no-grant               without the agent's user in the database
    --trx-commit 0|1|2, --sync-binlog N                durability of commits
    --mysql-option TEXT      one more line for my.cnf (repeatable)
    --conf TEXT              one more line for stillpoint.conf (repeatable; a section header first)
    --state-on-root          the daemon's state in node/root/var/lib/stillpoint
    --daemon-env NAME=VALUE  in the daemon's environment (repeatable; in node.json for restarts too)
    --machine-rcu            the guard switches the machine's own rcu_expedited, as on a real node; else
                             a file of the lab's: labs run side by side, and would put back what
                             another has set
    --points                 RUN/points, where programs built with POINTS=1 stop (tests/faults)
    --clock LIBRARY          RUN/clock, whose value (int64_t) is the seconds that our programs see
                             the wall clock ahead (tests/faults/clock_step.c)
    --build DIR              where the programs are (default $BUILD or build/plain)

What it makes below DIR:
    node/root                the node's root (ext4, vol of /dev/sda1), node/root/var/lib/mysql
                             (ext4, /dev/sdf), node/root/var/log/mysql (XFS, /dev/sdg)
    run, acks                tmpfs: sockets and the guard's record; the writers' records
    state, log, conf.d, stillpoint.conf, my.cnf, map.json, hooks.d
    node.json                instance, mounts [{path, at, device, fs, volume, name}],
                             mysql {kind, tree, cnf, datadir, binlog_dir, socket, user}
                             servers {tree, hide}: not of up, for a test to write: the servers that
                             are installed for `verify`, from the next start of hook on (with_servers.py)
The daemon runs as user `stillpoint` (made if missing, as the package does) with empty capability
sets, the guard as root with those of its unit; the database as `mysql`. Everything is on loop
devices over DIR/pool.
"""
import argparse
import functools
import grp
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import sweep  # noqa: E402
from lab_server import Server, ServerError  # noqa: E402
from labclient import Lab  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
USER = "stillpoint"
CLOCK = "clock"  # in the run folder
RCU = "rcu_expedited"  # in the run folder
POINTS = "points"  # in the run folder, which is a tmpfs: the guard maps it
POINTS_BYTES = 16 * 64
GRANTS = "RELOAD, PROCESS, BINLOG MONITOR, SLAVE MONITOR"
MKFS = {
    # Nothing is left to be initialised later, in the middle of a test.
    "ext4": [
        "mkfs.ext4",
        "-q",
        "-N",
        "16384",
        "-E",
        "lazy_itable_init=0,lazy_journal_init=0",
        "-J",
        "size=16",
    ],
    "xfs": ["mkfs.xfs", "-q"],
}
LAYOUTS = {
    "separate": ("/var/lib/mysql", "/var/log/mysql"),
    "binlog-in-data": ("/var/lib/mysql", "/var/lib/mysql/binlog"),
    "data-in-binlog": ("/var/log/mysql/data", "/var/log/mysql"),
    "one": ("/var/lib/mysql", "/var/log/mysql"),
}


class NodeError(Exception):
    pass


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise NodeError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def ensure_user(name):
    """As the packages' scripts do: mariadb-server-core brings no user, ours is not installed."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        run("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
            "--shell", "/usr/sbin/nologin", name)
        return pwd.getpwnam(name)


def load(directory):
    with open(os.path.join(directory, "node.json"), encoding="utf-8") as stream:
        return json.load(stream)


def save(directory, node):
    path = os.path.join(directory, "node.json")
    with open(path + ".new", "w", encoding="utf-8") as stream:
        json.dump(node, stream, indent=1)
        stream.write("\n")
    os.rename(path + ".new", path)


def write(path, text, mode=0o644):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(path, mode)


# -- volumes and mounts ----------------------------------------------------------------------------


def make_disks(directory, lab, options):
    data, binlog = LAYOUTS[options.layout]
    plan = [("/dev/sda1", "/", "ext4", "root")]
    if options.layout != "one":
        plan += [("/dev/sdf", data, "ext4", "data"), ("/dev/sdg", binlog, "xfs", "binlog")]
    for number in range(1, options.volumes + 1):
        kind = "ext4" if number % 2 else "xfs"
        plan.append(
            (f"/dev/sd{chr(ord('g') + number)}", f"/srv/data{number}", kind, f"data{number}")
        )
    made = lab.post(
        "instance",
        {"volumes": [{"device": device, "size_gib": options.size_gib} for device, _, _, _ in plan],
         "tags": {"Name": options.name}},
    )
    by_device = {entry["device"]: entry for entry in made["volumes"]}
    root = os.path.join(directory, "node", "root")
    mounts = []
    for device, path, kind, name in plan:
        entry = by_device[device]
        run(*MKFS[kind], entry["node"])
        mounts.append({
            "path": path, "at": (root + path).rstrip("/"), "device": entry["node"], "fs": kind,
            "volume": entry["volume"], "name": name, "ec2_device": device,
        })
    mounts.sort(key=lambda mount: mount["path"].count("/") if mount["path"] != "/" else 0)
    for mount in mounts:
        os.makedirs(mount["at"], exist_ok=True)
        # As on a node: no noatime, nothing special.
        run("mount", "-t", mount["fs"], mount["device"], mount["at"])
    for path in ("etc", "srv", "tmp", "opt", data.lstrip("/"), binlog.lstrip("/")):
        os.makedirs(os.path.join(root, path), exist_ok=True)
    return made["instance"], mounts


def make_state(path, user):
    """As the package does."""
    os.makedirs(path, exist_ok=True)
    os.chown(path, user.pw_uid, user.pw_gid)
    os.chmod(path, 0o750)


def tmpfs(path, size, mode):
    os.makedirs(path, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", f"size={size},mode={mode},nosuid,nodev", "tmpfs", path)


# -- the database ----------------------------------------------------------------------------------


def prepare_mysql(directory, node, options):
    data, binlog = LAYOUTS[options.layout]
    root = node["root"]
    server = Server(options.server)
    mysql = node["mysql"] = {
        "kind": server.kind, "tree": server.tree, "cnf": f"{directory}/my.cnf",
        "datadir": root + data, "binlog_dir": root + binlog,
        "socket": f"{directory}/run/mysqld.sock", "user": USER,
    }
    paths = {
        "datadir": mysql["datadir"],
        "tmpdir": f"{directory}/tmp",
        "socket": mysql["socket"],
        "pid_file": f"{directory}/run/mysqld.pid",
        "log_error": f"{directory}/log/mariadb.log",
        "log_bin": f"{mysql['binlog_dir']}/binlog",
        "log_bin_index": f"{mysql['binlog_dir']}/binlog.index",
    }
    os.makedirs(paths["tmpdir"], exist_ok=True)
    shutil.chown(paths["tmpdir"], "mysql", "mysql")
    lines = [
        f"sync_binlog = {options.sync_binlog}",
        f"innodb_flush_log_at_trx_commit = {options.trx_commit}",
        *options.mysql_option,
    ]
    write(mysql["cnf"], server.options_file(paths, lines))
    with tarfile.open(server.seed()) as archive:
        archive.extractall(mysql["datadir"], numeric_owner=False)
    for path in (mysql["datadir"], mysql["binlog_dir"]):
        shutil.chown(path, "mysql", "mysql")
        os.chmod(path, 0o700 if path == mysql["datadir"] else 0o750)
        lost = os.path.join(path, "lost+found")
        if os.path.exists(lost):  # MySQL looks into every folder of its datadir
            shutil.chown(lost, "mysql", "mysql")


def sql(node, text, database=None):
    command = [
        "mariadb", "--no-defaults", "--socket", node["mysql"]["socket"], "-u", "root", "-N", "-B"
    ]
    return run(*command, *([database] if database else []), "-e", text)


def start_mysql(directory, node):
    log = open(os.path.join(directory, "log", "mariadb.out"), "ab")
    mysql = node["mysql"]
    child = subprocess.Popen(
        Server(mysql["tree"]).command(mysql["cnf"], directory),
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
    )
    sweep.record_pid(directory, child.pid, "mysql")
    end = time.monotonic() + 30
    while True:
        probe = socket.socket(socket.AF_UNIX)
        try:
            probe.connect(node["mysql"]["socket"])
            probe.recv(1)
            return
        except OSError:
            pass
        finally:
            probe.close()
        if child.poll() is not None or time.monotonic() > end:
            raise NodeError(f"the database did not start: see {directory}/log/mariadb.log")
        time.sleep(0.02)


def grant(node):
    sql(node, f"CREATE USER IF NOT EXISTS '{USER}'@'localhost' IDENTIFIED VIA unix_socket;"
              f"GRANT {GRANTS} ON *.* TO '{USER}'@'localhost'; CREATE DATABASE IF NOT EXISTS lab")


# -- our programs ----------------------------------------------------------------------------------


def write_conf(directory, node, lab, options):
    about = lab.about
    # From here on the cloud keeps DIR/map.json in step with what is attached.
    lab.post("node", {"instance_id": node["instance"], "dir": directory})
    sections = [
        "[aws]",
        f"region = {about['region']}",
        f"endpoint_ec2 = {about['ec2']}",
        f"endpoint_imds = {about['imds']}",
        f"ca_bundle = {about['ca']}",
        "[devices]",
        f"map = {directory}/map.json",
        "[paths]",
        f"run = {directory}/run",
        f"state = {node['state']}",
    ]
    if "mysql" in node:
        sections += ["[mysql]", f"socket = {node['mysql']['socket']}"]
    sections += options.conf
    path = os.path.join(directory, "stillpoint.conf")
    write(path, "\n".join(sections) + "\n")
    os.makedirs(os.path.join(directory, "conf.d"), exist_ok=True)
    node["config"] = path


class Ready:
    """A socket to be told READY=1 on, as systemd has it."""

    def __init__(self, directory, name):
        self.path = os.path.join(directory, "run", f"notify-{name}")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        os.chmod(self.path, 0o666)

    def wait(self, child, name, log, seconds=15):
        end = time.monotonic() + seconds
        self.sock.settimeout(0.1)
        while time.monotonic() < end:
            try:
                if b"READY=1" in self.sock.recv(4096).split(b"\n"):
                    return
            except socket.timeout:
                pass
            if child.poll() is not None:
                raise NodeError(f"{name} ended with {child.returncode}: see {log}")
        raise NodeError(f"{name} was not ready within {seconds} s: see {log}")

    def close(self):
        self.sock.close()
        os.unlink(self.path)


def program(node, name):
    path = os.path.join(node["build"], name)
    if not os.access(path, os.X_OK):
        raise NodeError(f"{path} is not there: run make")
    return path


def spawn(directory, name, command, notify=None, environment=None):
    """Starts COMMAND as a unit would: a process group of its own, a clean environment, its output in
    log/NAME.log; on record as NAME."""
    environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **(environment or {})}
    points = os.path.join(directory, "run", POINTS)
    if os.path.exists(points):
        environ["STILLPOINT_POINTS"] = points
    for option in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"):
        if option in os.environ:
            environ[option] = os.environ[option]
    environ.update(clock_environment(directory, name))
    if notify:
        environ["NOTIFY_SOCKET"] = notify
    with open(log_of(directory, name), "ab") as log:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ,
            start_new_session=True, cwd="/",
        )
    sweep.record_pid(directory, child.pid, name)
    return child


def clock_environment(directory, name):
    path = os.path.join(directory, "run", CLOCK)
    if name not in PARTS or not os.path.exists(path):
        return {}
    return {"LD_PRELOAD": load(directory)["clock"], "CLOCK_STEP_FILE": path}


def log_of(directory, name):
    return os.path.join(directory, "log", f"{name}.log")


def launch(directory, name, command, environment=None, seconds=15):
    ready = Ready(directory, name)
    try:
        child = spawn(directory, name, command, ready.path, environment)
        ready.wait(child, name, log_of(directory, name), seconds)
    finally:
        ready.close()


def guard_command(node, *arguments):
    # As the unit has it: root with the group, and no capability beyond three.
    return ["setpriv", f"--regid={USER}", "--clear-groups", "--inh-caps=-all",
            "--bounding-set=-all,+sys_admin,+dac_override,+ipc_lock", "--no-new-privs",
            program(node, "stillpoint-guard"), "--config", node["config"],
            "--rcu-expedited", node["rcu_expedited"], *arguments]


def with_servers(node):
    """What `verify` finds installed: node.json's servers {tree, hide}; the node's own as a rule."""
    servers = node.get("servers", {"tree": node.get("mysql", {}).get("tree"), "hide": []})
    options = ["--tree", servers["tree"]] if servers["tree"] else []
    for path in servers["hide"]:
        options += ["--hide", path]
    if not options:
        return []
    return [sys.executable, os.path.join(HERE, "with_servers.py"), *options, "--"]


def part_command(node, part):
    """What the part's unit runs: the command, and what it has in its environment beside the rest."""
    if part == "guard":
        return guard_command(node), None
    if part == "hook":
        path = os.path.join(node["run"], "hook.sock")
        return [*with_servers(node), sys.executable, os.path.join(HERE, "hook_listener.py"), path,
                USER, program(node, "stillpoint-hook"), "--config", node["config"]], None
    # As the unit has it: the user, no groups but its own, and no capability in any set.
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=-all",
            "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs",
            program(node, "stillpointd"), "--config", node["config"]
            ], node.get("daemon_environment")


def start_part(directory, node, part):
    if is_kept(directory, part):
        switch_on(directory, part)
    else:
        launch(directory, part, *part_command(node, part))


# -- the restarter, and who it leaves alone ---------------------------------------------------------


def start_restarter(directory, _node):
    launch(directory, "restarter",
           [sys.executable, os.path.join(HERE, "restarter.py"), directory], seconds=30)


def is_kept(directory, part):
    """Is it the restarter's to start?"""
    return part in PARTS and any(name == "restarter" for _, _, name in sweep.processes(directory))


def off_path(directory, part):
    return os.path.join(directory, "run", f"no-restart-{part}")


def ready_path(directory, part):
    return os.path.join(directory, "run", f"ready-{part}")


def switch_off(directory, part):
    with open(off_path(directory, part), "w", encoding="ascii"):
        pass


def switch_on(directory, part, seconds=15):
    if os.path.exists(off_path(directory, part)):
        os.unlink(off_path(directory, part))
    end = time.monotonic() + seconds
    while not os.path.exists(ready_path(directory, part)):
        if time.monotonic() > end or os.path.exists(off_path(directory, part)):
            raise NodeError(f"{part} was not ready: see {log_of(directory, part)}")
        time.sleep(0.01)


PARTS = ("guard", "hook", "daemon")
STARTERS = {
    "mysql": start_mysql, "restarter": start_restarter,
    **{part: functools.partial(start_part, part=part) for part in PARTS},
}


# -- commands --------------------------------------------------------------------------------------


def up(options):
    directory = os.path.realpath(options.dir)
    lab = Lab(directory)
    user = ensure_user(USER)
    ensure_user("mysql")
    for name in ("log", "hooks.d"):
        os.makedirs(os.path.join(directory, name), exist_ok=True)
    os.chown(os.path.join(directory, "log"), 0, grp.getgrnam("mysql").gr_gid)
    os.chmod(os.path.join(directory, "log"), 0o775)
    tmpfs(os.path.join(directory, "run"), "64m", "1777")
    os.chown(os.path.join(directory, "run"), 0, user.pw_gid)
    tmpfs(os.path.join(directory, "acks"), "2g", "755")
    node = {"dir": directory, "user": USER, "run": f"{directory}/run",
            "state": f"{directory}/state",
            "build": os.path.realpath(options.build),
            "daemon_environment": dict(entry.split("=", 1) for entry in options.daemon_env)}
    if options.clock:
        node["clock"] = os.path.realpath(options.clock)
        write(os.path.join(directory, "run", CLOCK), "\0" * 8, 0o644)
    node["rcu_expedited"] = "/sys/kernel/rcu_expedited"
    if not options.machine_rcu:
        node["rcu_expedited"] = os.path.join(directory, "run", RCU)
        write(node["rcu_expedited"], "0\n", 0o644)
    if options.points:
        node["points"] = os.path.join(directory, "run", POINTS)
        write(node["points"], "\0" * POINTS_BYTES, 0o666)
    node["instance"], node["mounts"] = make_disks(directory, lab, options)
    node["root"] = os.path.join(directory, "node", "root")
    if options.state_on_root:
        node["state"] = os.path.join(node["root"], "var", "lib", "stillpoint")
    make_state(node["state"], user)
    if not options.no_mysql:
        prepare_mysql(directory, node, options)
    write_conf(directory, node, lab, options)
    save(directory, node)
    if not options.no_mysql:
        start_mysql(directory, node)
        if not options.no_grant:
            grant(node)
    if not options.no_agent:
        for part in ("restarter",) if options.restarter else PARTS:
            STARTERS[part](directory, node)


def down(options):
    import reboot  # it needs what is in this file

    directory = os.path.realpath(options.dir)
    node = load(directory)
    ran = [pid for pid, _, name in sweep.processes(directory) if name in reboot.ENDED]
    everyone = reboot.family(ran)
    for path, kind in sweep.mounts_below(directory + "/node"):
        if kind in sweep.FREEZABLE and sweep.thaw(path):
            print(f"node: {path} was frozen", file=sys.stderr)
    for part in reboot.ENDED:
        stop_part(directory, part, signal.SIGTERM)
    # A unit has stopped when its last process has: the freezer ends after the keeper (by a second
    # with ThreadSanitizer, which sleeps at exit), and has files of the run folder open.
    if not reboot.are_gone(everyone, 10):
        raise NodeError("what database, guard, hook listener or daemon started did not end")
    for path, _ in sweep.mounts_below(directory):
        if path != os.path.join(directory, "pool"):
            run("umount", path)
    lab = Lab(directory)
    lab.ec2().terminate_instances(InstanceIds=[node["instance"]])
    os.unlink(os.path.join(directory, "node.json"))


def stop_part(directory, part, number):
    kept = is_kept(directory, part)
    if kept:
        switch_off(directory, part)
    end = time.monotonic() + 30
    for pid, started, name in sweep.processes(directory):
        if name != part:
            continue
        os.kill(pid, number)
        end = time.monotonic() + 30
        while sweep.alive(pid, started) and time.monotonic() < end:
            time.sleep(0.01)
        if sweep.alive(pid, started):
            raise NodeError(f"{part} ({pid}) did not end within 30 s")
    # The restarter takes its word back a moment later, and the next start goes by that.
    while kept and os.path.exists(ready_path(directory, part)):
        if time.monotonic() > end:
            raise NodeError(f"the restarter does not see that {part} has ended")
        time.sleep(0.01)


def main():
    parser = argparse.ArgumentParser(description="the process lab's node (see the header)")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("up")
    one.add_argument("dir")
    one.add_argument("--name", default="kaltura-lab1")
    one.add_argument("--no-mysql", action="store_true")
    one.add_argument("--no-agent", action="store_true")
    one.add_argument("--restarter", action="store_true")
    one.add_argument("--volumes", type=int, default=0)
    one.add_argument("--size-gib", type=int, default=1)
    one.add_argument("--layout", choices=sorted(LAYOUTS), default="separate")
    one.add_argument("--server")
    one.add_argument("--no-grant", action="store_true")
    one.add_argument("--trx-commit", type=int, default=1, choices=(0, 1, 2))
    one.add_argument("--sync-binlog", type=int, default=1)
    one.add_argument("--mysql-option", action="append", default=[])
    one.add_argument("--conf", action="append", default=[])
    one.add_argument("--state-on-root", action="store_true")
    one.add_argument("--daemon-env", action="append", default=[])
    one.add_argument("--machine-rcu", action="store_true")
    one.add_argument("--clock")
    one.add_argument("--points", action="store_true")
    one.add_argument(
        "--build", default=os.environ.get("BUILD", os.path.join(TOP, "build", "plain"))
    )
    commands.add_parser("down").add_argument("dir")
    for name in ("start", "stop"):
        one = commands.add_parser(name)
        one.add_argument("dir")
        one.add_argument("part", choices=sorted(STARTERS))
        if name == "stop":
            one.add_argument("signal", nargs="?", default="TERM")
    one = commands.add_parser("reboot")
    one.add_argument("dir")
    for name in ("halt", "boot", "hard"):
        one.add_argument(f"--{name}", action="store_true")
    options = parser.parse_args()
    try:
        if options.command == "up":
            up(options)
        elif options.command == "down":
            down(options)
        elif options.command == "reboot":
            import reboot  # it needs what is in this file

            reboot.run(options)
        elif options.command == "start":
            directory = os.path.realpath(options.dir)
            STARTERS[options.part](directory, load(directory))
        else:
            number = signal.Signals[f"SIG{options.signal.removeprefix('SIG')}"]
            stop_part(os.path.realpath(options.dir), options.part, number)
    except (NodeError, ServerError, OSError, RuntimeError) as error:
        print(f"node: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
