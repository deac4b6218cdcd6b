#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A policy without its N-th action, counted over all statements: iam_less.py POLICY.json N; or without an
action, wherever it stands: iam_less.py POLICY.json ec2:DeleteSnapshot. Without either each action with
its statement's Sid, in that order: "Look ec2:DescribeVolumes"."""
import json
import sys


def actions_of(statement):
    actions = statement["Action"]
    return actions if isinstance(actions, list) else [actions]


def main():
    with open(sys.argv[1], encoding="utf-8") as stream:
        policy = json.load(stream)
    if len(sys.argv) == 2:
        for statement in policy["Statement"]:
            for action in actions_of(statement):
                print(statement["Sid"], action)
        return 0
    if ":" in sys.argv[2]:
        for statement in policy["Statement"]:
            statement["Action"] = [a for a in actions_of(statement) if a != sys.argv[2]]
        policy["Statement"] = [one for one in policy["Statement"] if one["Action"]]
        print(json.dumps(policy))
        return 0
    number = int(sys.argv[2])
    for statement in policy["Statement"]:
        actions = actions_of(statement)
        if number < len(actions):
            del actions[number]
            statement["Action"] = actions
            policy["Statement"] = [one for one in policy["Statement"] if one["Action"]]
            print(json.dumps(policy))
            return 0
        number -= len(actions)
    return 1


if __name__ == "__main__":
    sys.exit(main())
