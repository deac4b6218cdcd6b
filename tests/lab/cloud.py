#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The process lab's cloud: EC2 (moto under a layer of checks), EBS's data, IMDSv2, control.

    tests/lab/cloud.py --dir DIR [--owner PID] [--region R] [--pool-gib N] [--pool FILE]

Runs in the foreground as root. When ready it writes DIR/cloud.json (mode 600: it holds the keys
that it gave out) in one rename:

    ec2, imds, control   URLs, all on 127.0.0.1, ports chosen by the kernel
    ca, other_ca         the CA to trust; another one that must be refused
    region, account, pid
    keys.admin           for tests: never denied, no fault hits it
    keys.user            as a user's keys in the environment; denied and faulted like the role
    keys.pruner, keys.restore   as those of other machines, for policies of their own (control.py)

DIR must be new or empty and lie in a folder of the lab's own (see sweep.py, which removes what a
killed lab left behind, by DIR/lab.json and the paths below DIR). SIGTERM or SIGINT takes
everything down: copies, loop devices, the pool; DIR itself stays.
"""
import argparse
import json
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import sweep  # noqa: E402
from labcloud import tls, wire  # noqa: E402
from labcloud.control import Control  # noqa: E402
from labcloud.dataplane import Dataplane  # noqa: E402
from labcloud.httpd import Server  # noqa: E402
from labcloud.imds import Imds  # noqa: E402
from labcloud.signatures import Keyring  # noqa: E402
from labcloud.state import CallLog, Faults, Settings  # noqa: E402

ACCOUNT = "123456789012"


class Cloud:
    def __init__(self, options):
        from labcloud.endpoint import Endpoint
        from labcloud.world import World

        self.directory = options.dir
        self.settings = Settings(options.region, ACCOUNT)
        self.faults, self.log = Faults(), CallLog()
        self.keyring = Keyring(self.settings)
        self.dataplane = Dataplane(options.dir, options.pool_gib, options.pool)
        try:
            model = wire.Model()
            self.world = World(self.settings, model, self.dataplane)
            self.imds = Imds(self.settings, self.keyring, self.world)
            endpoint = Endpoint(
                self.settings, self.keyring, model, self.world, self.faults, self.log
            )
            self.iam = endpoint.iam
            self.ec2_server = Server(
                endpoint,
                tls.make(options.dir, options.region),
                idle_timeout_s=lambda: self.settings["idle_timeout_s"],
            )
            self.imds_server = Server(self.imds)
            self.control_server = Server(Control(self))
            self._warm()
        except BaseException:
            self.dataplane.down()
            raise

    def _warm(self):
        """moto makes its regions at the first call, which takes a second: not in a test's time."""
        self.world.ask_moto("DescribeInstances", {})
        self.world.ask_moto("DescribeVolumes", {})
        self.world.ask_moto("DescribeTags", {})

    def describe(self):
        def key(one):
            return {"access_key": one.access_key, "secret_key": one.secret_key}

        return {
            "ec2": f"https://127.0.0.1:{self.ec2_server.port}",
            "imds": f"http://127.0.0.1:{self.imds_server.port}",
            "control": f"http://127.0.0.1:{self.control_server.port}",
            "ca": os.path.join(self.directory, "ca.pem"),
            "other_ca": os.path.join(self.directory, "other-ca.pem"),
            "region": self.settings.region,
            "account": ACCOUNT,
            "pid": os.getpid(),
            "keys": {
                name: key(getattr(self.keyring, name))
                for name in ("admin", "user", "pruner", "restore")
            },
        }


def write_json(path, value):
    temporary = path + ".new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(value, stream, indent=1)
        stream.write("\n")
    os.rename(temporary, path)


def main():
    parser = argparse.ArgumentParser(description="the process lab's cloud (see the header)")
    parser.add_argument("--dir", required=True)
    parser.add_argument(
        "--owner", type=int, default=0, help="whose death makes this lab a leftover"
    )
    parser.add_argument("--region", default="eu-west-1")
    parser.add_argument("--pool-gib", type=int, default=64)
    parser.add_argument("--pool", help="where the pool image lies (default DIR/pool.img)")
    options = parser.parse_args()
    options.dir = os.path.realpath(options.dir)
    os.makedirs(options.dir, exist_ok=True)
    os.chmod(options.dir, 0o755)
    os.makedirs("/run/lock", exist_ok=True)

    # The signal mask is inherited by threads: only sigwait() below sees these two.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    sweep.mark(options.dir, options.owner, options.pool)
    sweep.record_pid(options.dir, os.getpid(), "cloud")
    cloud = Cloud(options)
    write_json(os.path.join(options.dir, "cloud.json"), cloud.describe())
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    os.unlink(os.path.join(options.dir, "cloud.json"))
    cloud.world.clock.end()
    with cloud.world.lock:
        failures = cloud.dataplane.down()
    for failure in failures:
        print(f"cloud: {failure}", file=sys.stderr)
    sys.stderr.flush()
    os._exit(1 if failures else 0)  # handler threads may sit in a hang


if __name__ == "__main__":
    threading.current_thread().name = "main"
    main()
