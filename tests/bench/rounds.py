#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The pause, tool after tool in turn, as the writers saw it.

    rounds.py LAB --out FILE --exchange-ms N --rounds N [--tools NAME...]

Needs a lab with a node and its writers running (pause.sh). In each round every tool holds the node
once, in an order that moves on by one from round to round, so that none has a better place. The
pause is the longest gap between two finished writes of any one writer, from their own records. An
independent thaw is armed for each hold; one that finds anything frozen ends the run.
Adds one JSON object a hold to FILE: tool, volumes, exchange_ms asked for, round, pause_ms, exchange
(as the tool itself measured it, null where it doesn't say), and what else the tool said of itself.
"""
import argparse
import glob
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LAB = os.path.join(os.path.dirname(HERE), "lab")
sys.path.insert(0, LAB)

from labclient import Lab  # noqa: E402

THAW_S = 45  # the longest hold is one call a volume, 8 of 2 s
UNDISTURBED_S = 0.5
REST_S = 0.3  # before and after a hold: what the writers do undisturbed


class Node:
    def __init__(self, directory):
        self.directory = directory
        self.lab = Lab(directory)
        with open(os.path.join(directory, "node.json"), encoding="utf-8") as stream:
            self.facts = json.load(stream)
        # Deepest first, the root last: node.json has them outermost first.
        self.mounts = [mount["at"] for mount in reversed(self.facts["mounts"])]
        self.volumes = [mount["volume"] for mount in self.facts["mounts"]]
        self.socket = self.facts["mysql"]["socket"]
        key = self.lab.about["keys"]["user"]
        self.environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": key["access_key"],
            "AWS_SECRET_ACCESS_KEY": key["secret_key"],
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def ack_sizes(self):
        return {path: os.path.getsize(path) for path in glob.glob(f"{self.directory}/acks/*.ack")}

    def pause_ms(self, sizes, begin_us, end_us):
        """The longest gap that touches the stretch; SIZES: where each record stood before it."""
        longest = 0
        for path, size in sizes.items():
            with open(path, "rb") as stream:
                stream.seek(max(0, size - 400))  # some lines before, for the write that ended last
                stream.readline()
                previous = None
                for line in stream:
                    fields = line.split()
                    if len(fields) != 4 or not line.endswith(b"\n"):
                        continue
                    moment = int(fields[3])
                    if previous is not None and moment > begin_us and previous < end_us:
                        longest = max(longest, moment - previous)
                    previous = moment
            if previous is None or previous < end_us:
                raise RuntimeError(f"{path}: the writer has written nothing since the hold")
        return longest / 1000


def last_json(text):
    line = [line for line in text.splitlines() if line.strip()][-1]
    try:
        value = json.loads(line)
    except ValueError:
        value = json.loads(text)
    return value.get("data", value)


def run(node, command):
    done = subprocess.run(
        command, capture_output=True, text=True, env=node.environment, timeout=THAW_S, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: exit {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout


def endpoint_of(node):
    about = node.lab.about
    return about["ec2"], about["region"], about["ca"]


def floor(node):
    endpoint, region, ca = endpoint_of(node)
    build = node.facts["build"]
    said = json.loads(run(node, [
        f"{build}/tests/bench/floor", "--socket", node.socket, "--endpoint", endpoint,
        "--region", region, "--ca", ca, "--instance", node.facts["instance"], *node.mounts]))
    return said


def stillpoint(node):
    build = node.facts["build"]
    said = last_json(run(node, [
        f"{build}/stillpoint", "--config", node.facts["config"], "backup", "--json", "--reason",
        "bench", "--wait", "cut", "--no-image"]))
    if said["consistency"] != "application":
        raise RuntimeError(f"stillpoint: {said['consistency']} only: {said['shortfall']}")
    return {"id": said["id"], **said["timing_ms"]}


def shell(node):
    endpoint, region, ca = endpoint_of(node)
    run(node, ["bash", f"{HERE}/peer_shell.sh", node.socket, endpoint, region, ca,
               node.facts["instance"], *node.mounts])
    return {}


def per_volume(node):
    endpoint, region, ca = endpoint_of(node)
    run(node, [sys.executable, f"{HERE}/peer_per_volume.py", "--socket", node.socket, "--endpoint",
               endpoint, "--region", region, "--ca", ca, "--volumes", *node.volumes,
               "--mounts", *node.mounts])
    return {}


def undisturbed(_node):
    """Nothing: how long the writers' own longest gap is in the time of a hold."""
    time.sleep(UNDISTURBED_S)
    return {}


TOOLS = {
    "undisturbed": undisturbed,
    "floor": floor,
    "stillpoint": stillpoint,
    "shell": shell,
    "per-volume": per_volume,
}


def hold(node, tool):
    thaw = subprocess.Popen(
        [sys.executable, f"{LAB}/thaw_timer.py", str(THAW_S), *reversed(node.mounts)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    try:
        if thaw.stdout.readline() != "armed\n":
            raise RuntimeError("no thaw is armed")
        time.sleep(REST_S)
        sizes = node.ack_sizes()
        begin_us = time.monotonic_ns() // 1000
        said = TOOLS[tool](node)
        end_us = time.monotonic_ns() // 1000
        time.sleep(REST_S)
    finally:
        thaw.terminate()
        if thaw.wait(THAW_S) != 0:
            raise RuntimeError(f"{tool} left something frozen")
    return {"pause_ms": node.pause_ms(sizes, begin_us, end_us), "exchange": None, **said}


def main():
    parser = argparse.ArgumentParser(description="holds in turn (see the header)")
    parser.add_argument("lab")
    parser.add_argument("--out", required=True)
    parser.add_argument("--exchange-ms", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--tools", nargs="+", choices=list(TOOLS), default=list(TOOLS))
    options = parser.parse_args()
    node = Node(options.lab)
    latency = {"CreateSnapshots": options.exchange_ms, "CreateSnapshot": options.exchange_ms}
    node.lab.post("set", {"latency_ms": latency})
    about = {"volumes": len(node.volumes), "exchange_ms": options.exchange_ms}
    for tool in options.tools:  # once for nothing: caches are cold
        hold(node, tool)
    for number in range(options.rounds):
        turn = number % len(options.tools)
        for tool in options.tools[turn:] + options.tools[:turn]:
            entry = {"tool": tool, **about, "round": number + 1, **hold(node, tool)}
            with open(options.out, "a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
