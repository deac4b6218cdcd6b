#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""SSM documents of packaging/ssm, as the service and its agent take them.

    ssm_document.py check DOCUMENT           the schema, and CreateDocument of moto, which botocore's
                                             model has checked before
    ssm_document.py script DOCUMENT OUT [NAME=VALUE...]
                                             the script that the agent would run, into OUT; exit 3
                                             where the service would refuse a value
    ssm_document.py hostile DOCUMENT         values that no parameter may take
"""
import os
import re
import sys

import yaml

TYPES = {"String", "StringList", "Boolean", "Integer", "MapList", "StringMap"}
PARAMETER_KEYS = {"type", "description", "default", "allowedValues", "allowedPattern", "displayType",
                  "minChars", "maxChars", "minItems", "maxItems", "interpolationType"}
STEP_KEYS = {"action", "name", "precondition", "inputs", "onFailure", "finallyStep", "isEnd"}
INPUT_KEYS = {"runCommand", "timeoutSeconds", "workingDirectory"}
BYTES_MAX = 64 * 1024
HOSTILE = [
    "$(touch {mark})", "`touch {mark}`", "'; touch {mark}; '", "\"; touch {mark}; \"", "x\ntouch {mark}",
    "x\nEND_OF_REASON\ntouch {mark}", "&& touch {mark}", "| touch {mark}", "> {mark}", "\\", "${IFS}",
    "a\0b", "x" * 5000, "{{ command }}", "-rf'", "*?[", "~root!", "\u2028touch",
]


class Bad(Exception):
    pass


def need(holds, text):
    if not holds:
        raise Bad(text)


def load(path):
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    return text, yaml.safe_load(text)


def check_parameter(name, one):
    need(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,127}", name), f"{name}: no name for a parameter")
    need(set(one) <= PARAMETER_KEYS, f"{name}: {set(one) - PARAMETER_KEYS}")
    need(one.get("type") in TYPES, f"{name}: type")
    need(isinstance(one.get("description"), str) and one["description"], f"{name}: description")
    need(isinstance(one.get("default"), str), f"{name}: its default is no text")
    # What is put into a shell script is bounded, always.
    need(("allowedValues" in one) != ("allowedPattern" in one), f"{name}: values or a pattern")
    need(all(isinstance(v, str) for v in one.get("allowedValues", [])), f"{name}: values are no texts")
    pattern = one.get("allowedPattern", "^x$")
    need(pattern.startswith("^") and pattern.endswith("$"), f"{name}: the pattern has no ends")
    need(allows(one, one["default"]), f"{name}: its own default is refused")


def allows(parameter, value):
    if "allowedValues" in parameter:
        return value in parameter["allowedValues"]
    return re.fullmatch(parameter["allowedPattern"], value) is not None and "\n" not in value


def check_schema(document):
    need(set(document) == {"schemaVersion", "description", "parameters", "mainSteps"}, "top level")
    need(document["schemaVersion"] == "2.2", "schemaVersion")
    for name, one in document["parameters"].items():
        check_parameter(name, one)
    names = [step.get("name") for step in document["mainSteps"]]
    need(len(set(names)) == len(names), "names of steps")
    for step in document["mainSteps"]:
        need(set(step) <= STEP_KEYS and set(step["inputs"]) <= INPUT_KEYS, "keys of a step")
        need(step["action"] == "aws:runShellScript", "action")
        need(re.fullmatch(r"[A-Za-z0-9_-]{1,100}", step["name"]), "name of a step")
        need(step["precondition"] == {"StringEquals": ["platformType", "Linux"]}, "precondition")
        need(all(isinstance(line, str) for line in step["inputs"]["runCommand"]), "runCommand")
        used = set(re.findall(r"{{ *([A-Za-z0-9_:]+) *}}", str(step["inputs"])))
        need(used <= set(document["parameters"]), f"not parameters: {used - set(document['parameters'])}")
        need(used == set(document["parameters"]), "a parameter that nothing uses")


def check_dlm(document):
    """What Data Lifecycle Manager asks of a document of its."""
    parameters = document["parameters"]
    need(set(parameters["command"]["allowedValues"]) == {"pre-script", "post-script", "dry-run"}, "command")
    need(allows(parameters["executionId"], "0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f"), "executionId")


def create(path, text):
    import boto3
    import moto

    os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_DEFAULT_REGION="eu-west-1")
    name = os.path.basename(path).removesuffix(".yaml")
    tags = [{"Key": "DLMScriptsAccess", "Value": "true"}] if "dlm" in name else []
    with moto.mock_aws():
        ssm = boto3.client("ssm")
        made = ssm.create_document(Content=text, Name=name, DocumentType="Command",
                                   DocumentFormat="YAML", Tags=tags)["DocumentDescription"]
        need(made["SchemaVersion"] == "2.2" and made["DocumentFormat"] == "YAML", f"made: {made}")
        told = {one["Name"]: one.get("DefaultValue") for one in made["Parameters"]}
        want = {n: p["default"] for n, p in yaml.safe_load(text)["parameters"].items()}
        need(told == want, f"parameters: {told}")


def check(path):
    text, document = load(path)
    need(len(text.encode()) < BYTES_MAX, "larger than a document may be")
    check_schema(document)
    if "executionId" in document["parameters"]:
        check_dlm(document)
    create(path, text)


def script(path, out, *given):
    _, document = load(path)
    values = {name: one["default"] for name, one in document["parameters"].items()}
    for name, _, value in (one.partition("=") for one in given):
        need(name in values, f"no parameter {name}")
        if not allows(document["parameters"][name], value):
            print(f"{name}: refused", file=sys.stderr)
            return 3
        values[name] = value
    text = "\n".join(document["mainSteps"][0]["inputs"]["runCommand"])
    # As the agent does: plain text, wherever it stands.
    text = re.sub(r"{{ *([A-Za-z0-9_]+) *}}", lambda match: values[match.group(1)], text)
    with open(out, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(out, 0o700)
    return 0


def hostile(path):
    _, document = load(path)
    for name, one in document["parameters"].items():
        for value in HOSTILE:
            need(not allows(one, value), f"{name} takes {value!r}")


def main(verb, *arguments):
    try:
        return {"check": check, "script": script, "hostile": hostile}[verb](*arguments) or 0
    except Bad as why:
        print(f"{arguments[0]}: {why}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
