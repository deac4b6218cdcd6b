#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""packaging/ami/component.yaml: AWS knows one document alone, so the scripts beside it stand in it.

    ami_component.py --write       puts them in anew, after one was changed
    ami_component.py               whether it is what --write would write, and what Image Builder takes
    ami_component.py --step PHASE [NAME=VALUE...]    the commands of the phase's one step, as AWSTOE
                                   hands them to bash: parameters by their value, or their default
"""

import json
import pathlib
import re
import sys

import yaml

AMI = pathlib.Path(__file__).resolve().parents[2] / "packaging/ami"
COMPONENT = AMI / "component.yaml"

HEAD = """\
# SPDX-License-Identifier: BSD-2-Clause
# A component of EC2 Image Builder: Stillpoint in the image of a Kaltura node. Put it last in the
# recipe: what runs after it could leave something of the build's machine behind again. The steps are
# build.sh, validate.sh and test.sh of this folder; tests/pkg/ami_component.py --write puts them in.
name: stillpoint
description: Installs and seals Stillpoint, checks the image, and tests an instance of it.
schemaVersion: 1.0
parameters:
"""

PARAMETERS = {
    "Package": ("stillpoint", "The package's name, or a .deb or .rpm (https, s3 or a path there)."),
    "Repository": ("none", "The file that names its repository: .list, .sources or .repo, likewise."),
    "RepositoryKey": ("none", "The key of a .list or .sources file, likewise."),
    "Config": ("none", "Settings of these nodes, likewise. It becomes conf.d/50-image.conf."),
}
ENVIRONMENT = {
    "STILLPOINT_PACKAGE": "Package",
    "STILLPOINT_REPOSITORY": "Repository",
    "STILLPOINT_KEY": "RepositoryKey",
    "STILLPOINT_CONFIG": "Config",
}
PHASES = {"build": ("InstallAndSeal", 1800), "validate": ("CheckTheImage", 300), "test": ("TestAnInstance", 300)}
DATA_BYTES_MAX = 16000  # of CreateComponent's data; more has to be in S3


def made():
    text = HEAD
    for name, (default, about) in PARAMETERS.items():
        text += f"  - {name}:\n      type: string\n      default: {default}\n      description: {json.dumps(about)}\n"
    text += "phases:\n"
    for phase, (step, seconds) in PHASES.items():
        text += f"  - name: {phase}\n    steps:\n      - name: {step}\n        action: ExecuteBash\n"
        text += f"        timeoutSeconds: {seconds}\n        onFailure: Abort\n"
        text += "        inputs:\n          commands:\n            - |\n"
        lines = []
        if phase == "build":
            lines = [f"export {key}='{{{{ {name} }}}}'" for key, name in ENVIRONMENT.items()]
        lines += (AMI / f"{phase}.sh").read_text().splitlines()
        text += "".join(f"{' ' * 14}{line}".rstrip() + "\n" for line in lines)
    return text


def check_names(where, names, wanted, optional=()):
    assert set(names) >= set(wanted), f"{where}: lacks {set(wanted) - set(names)}"
    assert set(names) <= set(wanted) | set(optional), f"{where}: {set(names) - set(wanted) - set(optional)}"


def check(text):
    """Image Builder's rules for a document (its user guide, 'Use documents in AWSTOE')."""
    assert len(text.encode()) <= DATA_BYTES_MAX, f"{len(text.encode())} bytes: CreateComponent takes {DATA_BYTES_MAX}"
    document = yaml.safe_load(text)
    check_names("document", document, ["schemaVersion", "phases"], ["name", "description", "parameters", "constants"])
    assert document["schemaVersion"] == 1.0
    known = []
    for parameter in document["parameters"]:
        ((name, about),) = parameter.items()
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{2,126}", name), name
        check_names(name, about, ["type"], ["default", "description"])
        assert about["type"] == "string" and isinstance(about["default"], str) and about["default"], name
        known.append(name)
    phases = [phase["name"] for phase in document["phases"]]
    assert phases == ["build", "validate", "test"], phases
    for phase in document["phases"]:
        check_names(phase["name"], phase, ["name", "steps"])
        for step in phase["steps"]:
            check_names(
                step["name"], step, ["name", "action", "inputs"], ["timeoutSeconds", "onFailure", "maxAttempts"]
            )
            assert step["action"] == "ExecuteBash" and step["onFailure"] in ("Abort", "Continue", "Ignore")
            assert isinstance(step["timeoutSeconds"], int) and step["timeoutSeconds"] > 0
            check_names(step["name"], step["inputs"], ["commands"])
            for command in step["inputs"]["commands"]:
                used = re.findall(r"\{\{(.*?)\}\}", command)
                assert {name.strip() for name in used} <= set(known), used
        script = (AMI / f"{phase['name']}.sh").read_text()
        assert phase["steps"][-1]["inputs"]["commands"][-1].endswith(script), f"{phase['name']}.sh is another one"
    return document


def step(document, phase, values):
    (found,) = [one for one in document["phases"] if one["name"] == phase]
    text = "\n".join(found["steps"][0]["inputs"]["commands"])
    for parameter in document["parameters"]:
        ((name, about),) = parameter.items()
        text = re.sub(r"\{\{\s*%s\s*\}\}" % name, lambda _: values.get(name, about["default"]), text)
    return text


def main(arguments):
    if arguments == ["--write"]:
        COMPONENT.write_text(made())
        return
    text = COMPONENT.read_text()
    document = check(text)
    if arguments[:1] == ["--step"]:
        print(step(document, arguments[1], dict(word.split("=", 1) for word in arguments[2:])), end="")
        return
    assert text == made(), "component.yaml is not what the scripts are: tests/pkg/ami_component.py --write"
    print(f"component.yaml: {len(text.encode())} bytes of {DATA_BYTES_MAX}")


if __name__ == "__main__":
    main(sys.argv[1:])
