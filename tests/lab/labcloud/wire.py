# SPDX-License-Identifier: BSD-2-Clause
"""EC2's query protocol, judged by botocore's own model of the service.

parse_request() turns a form body into nested parameters and refuses what the model does not
know; render() turns a result into XML by the same model; parse_answer() reads moto's XML back.
All errors are Ec2Error, which knows its code, its HTTP status and its sentence.
"""
import base64
import binascii
import datetime
import re
import urllib.parse
from xml.sax.saxutils import escape

import botocore.parsers
import botocore.session

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
VERSION = "2016-11-15"
ADDED = {
    # What EC2 has and the botocore of some machines not yet: input shape -> member -> shape.
    "CreateReplaceRootVolumeTaskRequest": {"VolumeId": "VolumeId"},
}
TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$")


class Ec2Error(Exception):
    """An error that EC2 would answer with."""

    def __init__(self, code, message, status=400):
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


class Model:
    """botocore's model of EC2, with the few look-ups that the layer needs."""

    def __init__(self):
        session = botocore.session.get_session()
        self.service = session.get_service_model("ec2")
        complete(self.service)
        self.parser = botocore.parsers.create_parser("ec2")
        self.names = set(self.service.operation_names)

    def operation(self, action):
        if action not in self.names:
            raise Ec2Error(
                "InvalidAction", f"The action {action} is not valid for this web service."
            )
        return self.service.operation_model(action)


def complete(service):
    """Gives a service model of botocore's what is in ADDED, before it was asked for any shape."""
    shapes = service._service_description["shapes"]
    for name, members in ADDED.items():
        for member, shape in members.items():
            shapes[name]["members"].setdefault(member, {"shape": shape})


def read_form(body):
    """Bytes of a form body -> dict of strings; a name given twice is refused."""
    flat = {}
    try:
        pairs = urllib.parse.parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict"
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise Ec2Error("MalformedQueryString", f"The query string is malformed: {error}") from None
    for name, value in pairs:
        if name in flat:
            raise Ec2Error("InvalidParameterValue", f"The parameter {name} is given twice.")
        flat[name] = value
    return flat


def parse_request(operation, flat):
    """Flat names -> nested parameters, by the model's names; Ec2Error where EC2 would refuse."""
    tree = {}
    for name, value in flat.items():
        if name in ("Action", "Version"):
            continue
        node = tree
        parts = name.split(".")
        for part in parts[:-1]:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise Ec2Error("UnknownParameter", f"The parameter {name} is not recognized")
        if isinstance(node.get(parts[-1]), dict):
            raise Ec2Error("UnknownParameter", f"The parameter {name} is not recognized")
        node[parts[-1]] = value
    if operation.input_shape is None:
        if tree:
            raise Ec2Error("UnknownParameter", f"The parameter {min(tree)} is not recognized")
        return {}
    return _structure(operation.input_shape, tree, "")


def _query_name(member_name, shape):
    serialization = shape.serialization
    if "queryName" in serialization:
        return serialization["queryName"]
    name = serialization.get("name", member_name)
    return name[0].upper() + name[1:]


def _structure(shape, tree, prefix):
    if not isinstance(tree, dict):
        raise Ec2Error("UnknownParameter", f"The parameter {prefix.rstrip('.')} is not recognized")
    by_name = {_query_name(name, member): (name, member) for name, member in shape.members.items()}
    result = {}
    for name, value in tree.items():
        if name not in by_name:
            raise Ec2Error("UnknownParameter", f"The parameter {prefix}{name} is not recognized")
        member_name, member = by_name[name]
        result[member_name] = _value(member, value, f"{prefix}{name}")
    for member_name in shape.required_members:
        if result.get(member_name) in (None, "", [], {}):
            name = _query_name(member_name, shape.members[member_name])
            raise Ec2Error(
                "MissingParameter", f"The request must contain the parameter {prefix}{name}"
            )
    return result


def _list(shape, tree, name):
    if not isinstance(tree, dict):
        raise Ec2Error("UnknownParameter", f"The parameter {name} is not recognized")
    if not all(key.isdigit() and str(int(key)) == key for key in tree):
        bad = next(key for key in tree if not key.isdigit() or str(int(key)) != key)
        raise Ec2Error("UnknownParameter", f"The parameter {name}.{bad} is not recognized")
    numbers = sorted(int(key) for key in tree)
    if numbers != list(range(1, len(numbers) + 1)):
        raise Ec2Error(
            "InvalidParameterValue", f"The numbers of {name}.N must run from 1 without a gap"
        )
    return [_value(shape.member, tree[str(number)], f"{name}.{number}") for number in numbers]


def _value(shape, value, name):
    if shape.type_name == "structure":
        return _structure(shape, value, name + ".")
    if shape.type_name == "list":
        return _list(shape, value, name)
    if isinstance(value, dict):
        inner = next(iter(value))
        raise Ec2Error("UnknownParameter", f"The parameter {name}.{inner} is not recognized")
    return _scalar(shape, value, name)


def _scalar(shape, text, name):
    kind = shape.type_name

    def refuse(expected):
        raise Ec2Error("InvalidParameterValue", f"Invalid value '{text}' for {name}. {expected}")

    if kind == "boolean":
        if text.lower() not in ("true", "false"):
            refuse("Expected true or false.")
        return text.lower() == "true"
    if kind in ("integer", "long"):
        if not re.fullmatch(r"-?\d{1,19}", text):
            refuse("Expected an integer.")
        limit = 2**31 if kind == "integer" else 2**63
        if not -limit <= int(text) < limit:
            refuse(f"Out of the range of {kind}.")
        least, most = shape.metadata.get("min"), shape.metadata.get("max")
        if (least is not None and int(text) < least) or (most is not None and int(text) > most):
            refuse(f"Expecting a value between {least} and {most}.")
        return int(text)
    if kind in ("float", "double"):
        try:
            return float(text)
        except ValueError:
            refuse("Expected a number.")
    if kind == "timestamp":
        if not TIMESTAMP.match(text):
            refuse("Expected an ISO 8601 time.")
        return text
    if kind == "blob":
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error:
            refuse("Expected base64.")
    enum = getattr(shape, "enum", None)
    if enum and text not in enum:
        refuse(f"Expected one of {', '.join(enum[:20])}.")
    return text


def parse_answer(operation, status, headers, body):
    """moto's XML -> dict by the model's output shape (unknown elements are dropped)."""
    parsed = operation_parser().parse(
        {"status_code": status, "headers": headers, "body": body}, operation.output_shape
    )
    parsed.pop("ResponseMetadata", None)
    return parsed


_PARSER = []


def operation_parser():
    if not _PARSER:
        _PARSER.append(botocore.parsers.create_parser("ec2"))
    return _PARSER[0]


def render(operation, result, request_id):
    """A result as EC2 writes it; what is not in the model is an error of ours, not dropped."""
    out = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    out.append(f'<{operation.name}Response xmlns="{NAMESPACE}">')
    out.append(f"<requestId>{request_id}</requestId>")
    if operation.output_shape is not None and operation.output_shape.members:
        _render_members(out, operation.output_shape, result)
    else:
        out.append("<return>true</return>")
    out.append(f"</{operation.name}Response>")
    return "".join(out).encode()


def _render_members(out, shape, value):
    unknown = set(value) - set(shape.members)
    if unknown:
        raise KeyError(f"{shape.name} has no {sorted(unknown)}")
    for name, member in shape.members.items():
        if value.get(name) is not None:
            _render(out, member.serialization.get("name", name), member, value[name])


def _render(out, tag, shape, value):
    out.append(f"<{tag}>")
    if shape.type_name == "structure":
        _render_members(out, shape, value)
    elif shape.type_name == "list":
        item = shape.member.serialization.get("name", "item")
        for entry in value:
            _render(out, item, shape.member, entry)
    elif shape.type_name == "boolean":
        out.append("true" if value else "false")
    elif shape.type_name == "timestamp" and isinstance(value, datetime.datetime):
        out.append(iso_time(value))
    elif shape.type_name == "blob" and isinstance(value, bytes):
        out.append(base64.b64encode(value).decode())
    else:
        out.append(escape(str(value)))
    out.append(f"</{tag}>")


def iso_time(moment):
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def render_error(code, message, request_id):
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Response><Errors><Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        f"</Error></Errors><RequestID>{request_id}</RequestID></Response>"
    ).encode()
