# SPDX-License-Identifier: BSD-2-Clause
"""The database server of a lab's node: the machine's own MariaDB, or one from a tree.

A tree (tests/servers/lib.sh makes them) is another suite's root directory with mariadbd or mysqld
in it. Such a server runs with the tree as its root and the lab's folder mounted at its own path, so
the paths that the server tells are the node's. Data directories are made once a server version and
kept in build/lab-cache.
"""
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
CACHE = os.path.join(TOP, "build", "lab-cache")
USER = "mysql"

COMMON = """server_id = 1
skip_networking
skip_name_resolve
binlog_format = MIXED
max_binlog_size = 128M
innodb_buffer_pool_size = 32M
innodb_log_buffer_size = 2M
innodb_fast_shutdown = 1
key_buffer_size = 8M
max_connections = 40
"""
MARIADB = """expire_logs_days = 1
innodb_log_file_size = 16M
aria_pagecache_buffer_size = 8M
performance_schema = OFF
ignore_db_dirs = lost+found
ignore_db_dirs = binlog
ignore_db_dirs = .lab-files
"""
# log_status, where the position stands, is performance_schema's.
MYSQL = """mysqlx = OFF
gtid_mode = ON
enforce_gtid_consistency = ON
innodb_redo_log_capacity = 32M
performance_schema = ON
secure_file_priv = NULL
"""
# Of a copy: what would mend it, or change it, or only takes time.
ON_A_COPY = {
    "mariadb": ["--myisam-recover-options=OFF", "--aria-recover-options=OFF", "--skip-slave-start"],
    "mysql": ["--myisam-recover-options=OFF", "--skip-replica-start", "--performance-schema=OFF"],
}


class ServerError(Exception):
    pass


class Server:
    """tree: its root directory, or None for the machine's MariaDB."""

    def __init__(self, tree=None):
        self.tree = os.path.realpath(tree) if tree else None
        if self.tree and not os.path.exists(f"{self.tree}/usr/sbin/mariadbd"):
            self.kind, self.program = "mysql", "/usr/sbin/mysqld"
        else:
            self.kind = "mariadb"
            self.program = "/usr/sbin/mariadbd" if self.tree else shutil.which("mariadbd")
        self.group = "mysqld" if self.kind == "mysql" else "mariadbd"  # in my.cnf

    def inside(self, command, shown=(), binds=()):
        """COMMAND as it is to be called: in the tree, with the paths SHOWN at their own places and
        then BINDS [(from, to)]."""
        first = []
        if self.tree:
            first += ["--user", USER, "--root", self.tree]
            first += ["--tmpfs", "/tmp", "--bind", "/dev", "/dev"]
            first += ["--bind", "/etc/passwd", "/etc/passwd"]  # a login by socket asks for names
            for path in shown:
                # What makes room for it goes with the namespace.
                first += ["--tmpfs", os.path.dirname(path), "--bind", path, path]
        for source, target in binds:
            first += ["--bind", source, target]
        return [sys.executable, os.path.join(HERE, "inside.py"), *first, "--", *command]

    def version(self):
        command = [self.program, "--version"]
        if self.tree:
            command = ["chroot", self.tree, *command]
        return _run(command).split()[2]

    def options_file(self, paths, lines):
        """The text of my.cnf. PATHS: {option: path}; LINES: whatever else."""
        own = MYSQL if self.kind == "mysql" else MARIADB
        head = [f"[{self.group}]"]
        if not self.tree:
            head.append(f"user = {USER}")
        head += [f"{name} = {path}" for name, path in paths.items()]
        return "\n".join([*head, *(COMMON + own).splitlines(), *lines]) + "\n"

    def command(self, options_file, lab):
        """On the node."""
        command = [self.program, f"--defaults-file={options_file}"]
        return self.inside(command, shown=[lab]) if self.tree else command

    def copy_command(self, options_file, lab, copy, node_root, more):
        """On a copy of the node, which lies over it for this process alone; mends nothing."""
        command = [self.program, f"--defaults-file={options_file}", "--skip-networking"]
        # Without the kernel's queues, of which many servers side by side may find none left.
        command += ["--event-scheduler=OFF", "--innodb-use-native-aio=OFF"]
        command += [*ON_A_COPY[self.kind], *more]
        return self.inside(command, shown=[lab], binds=[(copy, node_root)])

    def read_binlog(self, path, lab):
        """(exit code, text, errors) of the server's own reader, which checks the sums."""
        if self.kind == "mysql":
            command = ["/usr/bin/mysqlbinlog", "--no-defaults", "--verify-binlog-checksum", path]
            command = self.inside(command, shown=[lab])
        else:
            command = ["mariadb-binlog", "--no-defaults", "--verify-binlog-checksum", path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr.strip()

    # -- a fresh data directory --------------------------------------------------------------------

    def seed(self):
        """A tarball of one."""
        path = os.path.join(CACHE, f"datadir-{self.version()}.tar")
        if os.path.exists(path):
            return path
        os.makedirs(CACHE, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="stillpoint-seed.") as scratch:
            datadir = os.path.join(scratch, "data")
            shutil.chown(scratch, USER, USER)
            if not self.tree:
                self._seed_of_machine(scratch, datadir)
            elif self.kind == "mysql":
                self._seed_of_mysql(scratch, datadir)
            else:
                self._seed_of_mariadb(scratch, datadir)
            fresh = f"{path}.{os.getpid()}"
            with tarfile.open(fresh, "w") as archive:
                archive.add(datadir, arcname=".")
            os.rename(fresh, path)
        return path

    @staticmethod
    def _seed_of_machine(scratch, datadir):
        # tmpdir here and everywhere: a server that starts removes the others' files from a common one
        _run(["mariadb-install-db", "--no-defaults", f"--user={USER}", f"--datadir={datadir}",
              f"--tmpdir={scratch}",
              "--auth-root-authentication-method=socket", "--auth-root-socket-user=root",
              "--skip-test-db", "--skip-name-resolve", "--force", "--innodb-log-file-size=16M"])

    def _seed_of_mysql(self, scratch, datadir):
        command = [self.program, "--no-defaults", "--initialize-insecure", f"--datadir={datadir}",
                   f"--tmpdir={scratch}",
                   "--innodb-redo-log-capacity=32M"]
        _run(self.inside(command, shown=[scratch]))

    def _seed_of_mariadb(self, scratch, datadir):
        share = f"{self.tree}/usr/share/mariadb"
        text = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n"
        for name in ("mariadb_system_tables.sql", "mariadb_system_tables_data.sql"):
            with open(f"{share}/{name}", encoding="utf-8") as stream:
                text += stream.read()
        os.mkdir(datadir)
        shutil.chown(datadir, USER, USER)
        command = [self.program, "--no-defaults", "--bootstrap", f"--datadir={datadir}",
                   f"--tmpdir={scratch}",
                   "--log-warnings=0", "--enforce-storage-engine=", "--innodb-log-file-size=16M"]
        _run(self.inside(command, shown=[scratch]), text)


def _run(command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise ServerError(f"{' '.join(command)}: {' / '.join(lines[-4:])}")
    return done.stdout
