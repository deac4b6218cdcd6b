# SPDX-License-Identifier: BSD-2-Clause
"""The EC2 endpoint: one request from bytes to bytes, with checks, latency and faults."""
import time
import traceback
import uuid

from . import (
    attachments, iam, images, instances, launch, locks, power, recycle, roots, snapshots,
    tagging, tiers, volumes, wire,
)
from .httpd import Answer, Drop
from .wire import Ec2Error

MODULES = (
    snapshots, images, instances, volumes, attachments, launch, power, roots, tagging, recycle,
    locks, tiers,
)
HANDLERS = {name: handler for module in MODULES for name, handler in module.HANDLERS.items()}
DENIED = (
    "You are not authorized to perform this operation. User: arn:aws:sts::{account}:assumed-role/"
    "stillpoint-node/{who} is not authorized to perform: ec2:{action}. "
    "Encoded authorization failure message: lab-{serial}"
)


class Call:
    """What a handler may know and do about the request that it answers."""

    def __init__(self, endpoint, action, flat, params, fault, received):
        self.endpoint, self.world = endpoint, endpoint.world
        self.action, self.flat, self.params, self.fault = action, flat, params, fault
        self.received = received
        self.no_key = False  # what is made will fail, since its KMS key does not serve the caller
        self.latency_s = endpoint.settings.latency_s(action)
        if flat.get("DryRun", "").lower() == "true":
            self.latency_s = endpoint.settings.latency_s("*")

    def sleep_until(self, fraction):
        """Until FRACTION of the latency has passed since the request was read."""
        left = self.received + self.latency_s * fraction - time.monotonic()
        if left > 0:
            time.sleep(left)

    def check_dry_run(self):
        if self.params.get("DryRun"):
            raise Ec2Error(
                "DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412
            )

    def fails(self):
        """What is made is to fail later: the number of the snapshot, where it has one; or None."""
        if self.fault is not None and self.fault.kind == "partial":
            return self.fault.options.get("member", 1)
        return None

    def made(self, things):
        if self.fault is not None and self.fault.kind == "invisible":
            for thing in things:
                thing.visible_mono = time.monotonic() + self.fault.options.get("ms", 1000) / 1000.0

    def hide_instances(self, ids):
        """As made(), and as the setting visible_after_ms has it for whatever is new."""
        hidden_ms = self.world.settings["visible_after_ms"]
        if self.fault is not None and self.fault.kind == "invisible":
            hidden_ms = self.fault.options.get("ms", 1000)
        for instance_id in ids:
            self.world.hidden[instance_id] = time.monotonic() + hidden_ms / 1000.0

    def _token(self):
        token = self.params.get("ClientToken")
        if token is not None and not 1 <= len(token) <= 64:
            raise Ec2Error("InvalidParameterValue", "The client token must have 1 to 64 characters")
        return (self.action, token) if token else None

    def same_token(self):
        """The answer to the same ClientToken again, None for a new one."""
        known = self.world.tokens.get(self._token())
        if known is None:
            return None
        if known[0] != self.flat:
            raise Ec2Error(
                "IdempotentParameterMismatch",
                "The client token was used with other parameters before.",
            )
        return known[1]()

    def remember_token(self, answer):
        """ANSWER() is what a repetition gets."""
        if self._token():
            self.world.tokens[self._token()] = (dict(self.flat), answer)


class Endpoint:
    def __init__(self, settings, keyring, model, world, faults, log):
        self.settings, self.keyring, self.model = settings, keyring, model
        self.world, self.faults, self.log = world, faults, log
        self.iam = iam.Iam(world)
        self.port = 0

    def __call__(self, request):
        entry = self.log.begin(request.connection, request.number)
        request_id = str(uuid.uuid4())
        entry["request_id"] = request_id
        fault = None
        try:
            operation, flat, params, key = self._read(request, entry)
            dry_run = bool(params.get("DryRun"))
            fault = self.faults.take(operation.name, key, dry_run)
            entry["fault"] = fault.kind if fault else None
            result = self._act(operation, flat, params, key, fault, entry)
            answer = Answer(200, wire.render(operation, result, request_id))
        except Ec2Error as error:
            entry["code"] = error.code
            answer = Answer(error.status, wire.render_error(error.code, error.message, request_id))
        except Drop:
            entry["answered_mono"] = time.monotonic()
            raise
        except Exception as error:  # a fault of the lab's: seen by the client and in its log
            traceback.print_exc()
            entry["code"] = "InternalError"
            answer = Answer(500, wire.render_error("InternalError", f"lab: {error!r}", request_id))
        answer.headers["Content-Type"] = "text/xml;charset=UTF-8"
        answer.headers["x-amzn-requestid"] = request_id
        answer.headers["Server"] = "AmazonEC2"
        answer.clock_offset_s = self.settings["clock_offset_s"]
        entry["status"] = answer.status
        try:
            if fault is not None:
                self._spoil(fault, answer)
        except Drop:
            entry["status"] = None
            raise
        finally:
            entry["answered_mono"] = time.monotonic()
        return answer

    def _read(self, request, entry):
        """Signature first, as the service does: a stranger learns nothing of the parameters."""
        if request.method != "POST" or request.path != "/":
            raise Ec2Error("InvalidRequest", "The lab's EC2 takes POST / only")
        host = request.headers.get("host", "")
        key = self.keyring.check(
            request.method, request.path, request.headers, request.body, f"https://{host}"
        )
        entry["who"] = key.who
        kind = request.headers.get("content-type", "").replace(" ", "").lower()
        if kind.partition(";")[0] != "application/x-www-form-urlencoded":
            raise Ec2Error("InvalidRequest", f"Content-Type {kind!r} is not a form")
        flat = wire.read_form(request.body)
        entry["action"] = flat.get("Action")
        entry["params"] = {k: v for k, v in flat.items() if k not in ("Action", "Version")}
        entry["dry_run"] = flat.get("DryRun", "").lower() == "true"
        if "Action" not in flat:
            raise Ec2Error("MissingAction", "The request must contain the parameter Action")
        if flat.get("Version") != wire.VERSION:
            raise Ec2Error(
                "NoSuchVersion", f"The requested version ({flat.get('Version')}) is not valid"
            )
        operation = self.model.operation(flat.pop("Action"))
        flat.pop("Version")
        return operation, flat, wire.parse_request(operation, flat), key

    def _act(self, operation, flat, params, key, fault, entry):
        action = operation.name
        call = Call(self, action, flat, params, fault, entry["received_mono"])
        if key.who != "admin" and action in self.settings["deny"]:
            call.sleep_until(1.0)
            raise Ec2Error(
                "UnauthorizedOperation",
                DENIED.format(
                    account=self.settings.account, who=key.who, action=action, serial="0" * 64
                ),
                403,
            )
        if key.who != "admin":
            self._judge(call, key, params, entry)
        if fault is not None and fault.kind in ("error", "reset_before", "hang", "redirect"):
            call.sleep_until(fault.options.get("at", 1.0))
            self._refuse(fault)
        try:
            handler = HANDLERS.get(action)
            if handler is not None:
                result = handler(self.world, params, call)
            else:
                result = self._pass_on(action, flat, call)
        finally:
            call.sleep_until(1.0)
        return result

    def _judge(self, call, key, params, entry):
        """Dry run or not: a dry run with rights is answered by the handler."""
        try:
            self.iam.judge(key, call.action, params, entry)
        except iam.KeyRefused as error:
            call.no_key = call.action != "AttachVolume"
            if not call.no_key:
                call.sleep_until(1.0)
                raise Ec2Error("CustomerKeyHasBeenRevoked", error.message) from error
        except Ec2Error:
            call.sleep_until(1.0)
            raise

    def _pass_on(self, action, flat, call):
        """An action that the layer has nothing to add to: moto's own answer."""
        call.check_dry_run()
        return self.world.ask_moto(action, flat)

    def _refuse(self, fault):
        """The faults that come before anything is done."""
        options = fault.options
        if fault.kind == "reset_before":
            raise Drop()
        if fault.kind == "hang":
            self._hang(fault)
        if fault.kind == "redirect":
            raise Ec2Error("Moved", "The lab was told to send you elsewhere.", 307)
        if fault.kind == "error":
            codes = options.get("codes")
            code = codes[(fault.used - 1) % len(codes)] if codes else options.get(
                "code", "InternalError"
            )
            status = options.get(
                "status", 503 if code in ("RequestLimitExceeded", "Unavailable") else 400
            )
            raise Ec2Error(code, options.get("message", "The lab was told to answer so."), status)

    @staticmethod
    def _hang(fault):
        fault.cleared.wait(fault.options.get("seconds", 3600))
        raise Drop()

    def _spoil(self, fault, answer):
        """The faults that come after it is done."""
        options, kind = fault.options, fault.kind
        if kind == "reset_after":
            raise Drop()
        if kind == "lost":
            self._hang(fault)
        if kind == "held":
            fault.cleared.wait()
        elif kind == "slow":
            time.sleep(options.get("ms", 1000) / 1000.0)
        elif kind == "dribble":
            answer.pace = (options.get("bytes", 16), options.get("ms", 50) / 1000.0)
        elif kind == "garbage":
            answer.body = options.get("body", "\x00\x01 not XML <<<&&&").encode()
        elif kind == "empty":
            answer.body = b""
        elif kind == "truncated":
            answer.declared_length = len(answer.body)
            answer.body = answer.body[: len(answer.body) // 2]
        elif kind == "huge":
            head, tail = answer.body.split(b"</requestId>", 1)
            padding = b"<x>" + b"a" * options.get("bytes", 64 << 20) + b"</x>"
            answer.body = head + b"</requestId>" + padding + tail
        elif kind == "deep":
            depth = options.get("depth", 100000)
            answer.body = b"<?xml version='1.0'?>" + b"<a>" * depth + b"</a>" * depth
        elif kind == "bomb":
            answer.body = _bomb()
        elif kind == "redirect":
            answer.headers["Location"] = options.get("location", "http://127.0.0.1:9/")
        elif kind == "wrong_date":
            answer.clock_offset_s += options.get("offset_s", 3600)


def _bomb():
    """Entities in entities: a gigabyte when expanded."""
    lines = ["<?xml version='1.0'?><!DOCTYPE a [<!ENTITY e0 'aaaaaaaaaa'>"]
    for level in range(1, 9):
        lines.append(f"<!ENTITY e{level} '" + f"&e{level - 1};" * 10 + "'>")
    lines.append("]><CreateSnapshotsResponse><requestId>&e8;</requestId></CreateSnapshotsResponse>")
    return "".join(lines).encode()
