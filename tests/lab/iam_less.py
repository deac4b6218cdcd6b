#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A policy without its N-th action, counted over all statements: iam_less.py POLICY.json N"""
import json
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as stream:
        policy = json.load(stream)
    number = int(sys.argv[2])
    for statement in policy["Statement"]:
        actions = statement["Action"]
        actions = actions if isinstance(actions, list) else [actions]
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
