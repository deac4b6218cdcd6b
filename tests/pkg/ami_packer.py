#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""packaging/ami/stillpoint.pkr.hcl, as far as its steps go. `packer validate` judges the rest, where
there is one.

    ami_packer.py                      whether it runs the scripts beside it, by variables that it has
    ami_packer.py --run [NAME=VALUE...]    what its shell provisioner has run on the machine, a script a
                                       line, with the scripts at /srv/ami
"""

import pathlib
import re
import shlex
import sys

AMI = pathlib.Path(__file__).resolve().parents[2] / "packaging/ami"
SCRIPTS = ["build.sh", "validate.sh"]


def block(text, head):
    """What stands between the braces behind HEAD."""
    begin = text.index(head) + len(head)
    assert text.count(head) == 1, f"{head}: more than once"
    depth, at = 1, begin
    while depth > 0:
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return text[begin : at - 1]


def texts(body, name):
    found = re.search(r"^\s*%s\s*=\s*\[(.*?)\]" % name, body, re.M | re.S)
    return re.findall(r'"([^"]*)"', found.group(1))


def read():
    text = re.sub(r"^\s*#.*$", "", (AMI / "stillpoint.pkr.hcl").read_text(), flags=re.M)
    variables = {}
    for name in re.findall(r'^variable "(\w+)" \{$', text, re.M):
        found = re.search(r'^\s*default\s*=\s*"([^"]*)"', block(text, f'variable "{name}" {{'), re.M)
        variables[name] = found.group(1) if found else None
    used = set(re.findall(r"\bvar\.(\w+)", text))
    assert used == set(variables), f"variables: {used ^ set(variables)} is not both declared and used"
    provisioner = block(block(text, "build {"), 'provisioner "shell" {')
    execute = re.search(r'^\s*execute_command\s*=\s*"([^"]*)"', provisioner, re.M).group(1)
    scripts = texts(provisioner, "scripts")
    assert scripts == [f"${{path.root}}/{name}" for name in SCRIPTS], scripts
    environment = texts(provisioner, "environment_vars")
    head = (AMI / "build.sh").read_text()
    named = {word.split("=")[0] for word in environment}
    assert named == set(re.findall(r"^#   (STILLPOINT_\w+)", head, re.M)), "not what build.sh takes"
    last = block(text, "build {").rindex("provisioner")
    assert block(text, "build {")[last:].startswith('provisioner "shell"'), "something runs after the seal"
    return variables, environment, execute


def fill(text, values):
    return re.sub(r"\$\{var\.(\w+)\}", lambda found: values[found.group(1)], text)


def main(arguments):
    variables, environment, execute = read()
    if arguments[:1] != ["--run"]:
        return
    values = dict(variables, **dict(word.split("=", 1) for word in arguments[1:]))
    filled = []
    for word in environment:
        name, value = word.split("=", 1)
        filled.append(f"{name}={shlex.quote(fill(value, values))}")
    for script in SCRIPTS:
        print(execute.replace("{{ .Vars }}", " ".join(filled)).replace("{{ .Path }}", f"/srv/ami/{script}"))


if __name__ == "__main__":
    main(sys.argv[1:])
