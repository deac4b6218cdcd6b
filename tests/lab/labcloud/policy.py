# SPDX-License-Identifier: BSD-2-Clause
"""IAM's policy language: a document read strictly, and one action on one resource judged by it.

What IAM would pass over in silence (an unknown condition key, an operator written wrongly, a
variable where there can be none) is refused here: a policy of ours that has it does not do what it
says. A context is a dict of condition keys in lower case to a text, or to a list for the keys that
have several values; a key that is not there is absent.
"""
import re

VERSION = "2012-10-17"
MANAGED_CHARS = 6144  # of a managed policy, white space not counted
VARIABLE = re.compile(r"\$\{([^}]*)\}")
KEYS = re.compile(
    r"aws:(requesttag|resourcetag)/.+|ec2:resourcetag/.+|aws:(tagkeys|requestedregion|"
    r"principalaccount|principalarn|userid)|ec2:(region|sourceinstancearn|instanceid|volumeid|"
    r"snapshotid|imageid|createaction|owner|parentvolume|encrypted)|"
    r"iam:passedtoservice|kms:(viaservice|grantisforawsresource|calleraccount)"
)
MANY = {"aws:tagkeys"}
ACTION = re.compile(r"(ec2|iam|kms):([A-Za-z0-9*?]+)")
ARN = re.compile(r"arn:[^:]*:(ec2|iam|kms):[^:]*:[^:]*:.+")


class Absent(Exception):
    """A variable whose key is not in the context: the statement does not apply."""


def _pieces(text, context):
    """TEXT as (piece, is it a pattern): the value of a variable is never one."""
    at = 0
    for match in VARIABLE.finditer(text):
        yield text[at : match.start()], True
        name, _, default = match.group(1).partition(",")
        name = name.strip()
        if name in ("*", "?", "$"):
            yield name, False
        else:
            value = context.get(name.lower(), default.strip().strip("'") or None)
            if value is None:
                raise Absent(name)
            yield value, False
        at = match.end()
    yield text[at:], True


def _plain(text, context):
    return "".join(piece for piece, _ in _pieces(text, context))


def _like(text, value, context, arn=False, fold=False):
    """Whether VALUE matches TEXT; an ARN's wildcards stay within its first five fields."""
    pattern, colons = "", 0
    for piece, is_pattern in _pieces(text, context):
        for letter in piece:
            anything = "[^:]" if arn and colons < 5 else "."
            if is_pattern and letter in "*?":
                pattern += anything + ("*" if letter == "*" else "")
            else:
                pattern += re.escape(letter)
            colons += letter == ":"
    return re.fullmatch(pattern, value, re.S | (re.I if fold else 0)) is not None


TESTS = {
    "StringEquals": lambda want, value, context: _plain(want, context) == value,
    "StringLike": _like,
    "ArnEquals": lambda want, value, context: _like(want, value, context, arn=True),
    "ArnLike": lambda want, value, context: _like(want, value, context, arn=True),
    "Bool": lambda want, value, context: _plain(want, context).lower() == value.lower(),
}
NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def _list(value):
    return value if isinstance(value, list) else [value]


def _condition_holds(operator, key, wanted, context):
    quantifier, _, name = operator.rpartition(":")
    value = context.get(key.lower())
    if name == "Null":
        return (value is None) == (wanted[0].lower() == "true")
    if_exists = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    negated = name in NEGATED
    test = TESTS[NEGATED.get(name, name)]

    def holds(one):
        return any(test(want, one, context) for want in wanted) != negated

    if value is None:
        return if_exists or negated or quantifier == "ForAllValues"
    values = _list(value)
    if quantifier == "ForAnyValue":
        return any(holds(one) for one in values)
    return all(holds(one) for one in values)


def _check_operator(operator, key):
    quantifier, _, name = operator.rpartition(":")
    name = name.removesuffix("IfExists") if name != "NullIfExists" else name
    if name not in TESTS and name not in NEGATED and name != "Null":
        raise ValueError(f"unknown condition operator {operator}")
    if quantifier not in ("", "ForAllValues", "ForAnyValue"):
        raise ValueError(f"unknown quantifier {quantifier}")
    if (quantifier != "") != (key.lower() in MANY) and name != "Null":
        raise ValueError(f"{operator} does not fit the key {key}")


class Statement:
    def __init__(self, body, is_action):
        unknown = set(body) - {"Sid", "Effect", "Action", "Resource", "Condition"}
        if unknown or body["Effect"] not in ("Allow", "Deny"):
            raise ValueError(f"statement with {unknown or body['Effect']}")
        self.sid, self.effect = body.get("Sid", ""), body["Effect"]
        self.actions, self.resources = _list(body["Action"]), _list(body["Resource"])
        self.conditions = [
            (operator, key, _list(wanted))
            for operator, block in body.get("Condition", {}).items()
            for key, wanted in block.items()
        ]
        if not self.actions or not self.resources:
            raise ValueError("a statement without action or resource")
        for action in self.actions:
            match = ACTION.fullmatch(action)
            if not match or ("*" not in action and not is_action(*match.groups())):
                raise ValueError(f"unknown action {action}")
        for resource in self.resources:
            if resource != "*" and not ARN.fullmatch(resource):
                raise ValueError(f"{resource} is no ARN")
            if "sourceinstancearn" in resource.lower():
                raise ValueError("ec2:SourceInstanceARN can't fill in a Resource")
        for operator, key, wanted in self.conditions:
            _check_operator(operator, key)
            names = [key] + [name for text in wanted for name in VARIABLE.findall(text)]
            for name in names:
                name = name.partition(",")[0].strip()
                if name not in ("*", "?", "$") and not KEYS.fullmatch(name.lower()):
                    raise ValueError(f"unknown condition key {name}")

    def applies(self, action, arn, context):
        try:
            return (
                any(_like(own, action, context, fold=True) for own in self.actions)
                and any(
                    own == "*" or _like(own, arn, context, arn=True) for own in self.resources
                )
                and all(_condition_holds(*condition, context) for condition in self.conditions)
            )
        except Absent:
            return False


class Policy:
    """IS_ACTION(service, name): whether there is such an action. ValueError: not a good one."""

    def __init__(self, document, is_action):
        if set(document) - {"Version", "Id", "Statement"} or document.get("Version") != VERSION:
            raise ValueError(f"the policy's Version must be {VERSION}")
        self.statements = [Statement(body, is_action) for body in _list(document["Statement"])]

    def allows(self, action, arn, context):
        """(allowed, whether by an explicit deny that it is not)."""
        applying = [one for one in self.statements if one.applies(action, arn, context)]
        if any(one.effect == "Deny" for one in applying):
            return False, True
        return any(one.effect == "Allow" for one in applying), False
