# SPDX-License-Identifier: BSD-2-Clause
"""Who may call: keys that the lab gave out, and SigV4 checked with botocore's own signer."""
import datetime
import hashlib
import hmac
import re
import secrets
import threading
import time

import botocore.auth
import botocore.awsrequest
import botocore.credentials

from .wire import Ec2Error

SKEW_S = 300
AUTHORIZATION = re.compile(
    r"^AWS4-HMAC-SHA256 Credential=([^/,\s]+)/(\d{8})/([^/,\s]+)/([^/,\s]+)/aws4_request,\s*"
    r"SignedHeaders=([a-z0-9;-]+),\s*Signature=([0-9a-f]{64})$"
)


class Key:
    """One access key. who: admin (tests; never faulted), user (environment), role (IMDS); pruner
    and restore are other people's, with a policy of their own (iam.py)."""

    def __init__(self, who, expires_s=None):
        prefix = "ASIA" if who == "role" else "AKIA"
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
        self.who = who
        self.instance_id = None  # whose, for a role's
        self.access_key = prefix + "".join(secrets.choice(alphabet) for _ in range(16))
        self.secret_key = secrets.token_urlsafe(30)
        self.token = secrets.token_urlsafe(300) if who == "role" else None
        self.expires_s = expires_s
        self.made_s = time.time()


class Keyring:
    """Gives keys out and judges requests signed with them. Safe from any thread."""

    def __init__(self, settings):
        self.settings = settings
        self.lock = threading.Lock()
        self.keys = {}
        self.admin = self._add(Key("admin"))
        self.user = self._add(Key("user"))
        self.pruner, self.restore = self._add(Key("pruner")), self._add(Key("restore"))
        self.role = None

    def _add(self, key):
        self.keys[key.access_key] = key
        return key

    def role_key(self, instance_id):
        """The role's current key for the instance that asks, renewed as the service does: some
        minutes before it expires."""
        imds = self.settings.imds
        with self.lock:
            now_s = time.time()
            stale = self.role is None or self.role.expires_s - now_s < imds["renew_before_s"]
            other = self.role is not None and self.role.instance_id != instance_id
            if self.role is None or other or (stale and not imds["freeze_credentials"]):
                self.role = self._add(Key("role", now_s + imds["credentials_lifetime_s"]))
                self.role.instance_id = instance_id
            return self.role

    def drop_role_key(self):
        with self.lock:
            self.role = None

    def expire_role_key(self):
        """The key that was given out is over before its time; the next to ask gets a new one."""
        with self.lock:
            if self.role is not None:
                self.role.expires_s = time.time()
            self.role = None

    def check(self, method, path, headers, body, scheme_host):
        """Returns the Key that signed; raises Ec2Error as EC2 would."""
        now_s = time.time() + self.settings["clock_offset_s"]
        match = AUTHORIZATION.match(headers.get("authorization", ""))
        if not match:
            raise Ec2Error(
                "MissingAuthenticationToken", "Request is missing Authentication Token", 403
            )
        access_key, date, region, service, signed, signature = match.groups()
        key = self.keys.get(access_key)
        if key is None:
            raise Ec2Error(
                "AuthFailure",
                "AWS was not able to validate the provided access credentials",
                401,
            )
        stamp = headers.get("x-amz-date", "")
        self._check_time(stamp, date, now_s)
        names = signed.split(";")
        if names != sorted(set(names)):
            raise Ec2Error("IncompleteSignature", "SignedHeaders is not sorted and unique", 400)
        needed = {"host", "x-amz-date"} | ({"x-amz-security-token"} if key.token else set())
        if not needed <= set(names):
            missing = ", ".join(sorted(needed - set(names)))
            raise Ec2Error("SignatureDoesNotMatch", f"{missing} must be a signed header", 403)
        if key.token and not hmac.compare_digest(
            headers.get("x-amz-security-token", ""), key.token
        ):
            raise Ec2Error(
                "AuthFailure", "AWS was not able to validate the provided access credentials", 401
            )
        if service != "ec2" or region != self.settings.region:
            raise Ec2Error(
                "SignatureDoesNotMatch",
                f"Credential should be scoped to {self.settings.region}/ec2, "
                f"not {region}/{service}",
                403,
            )
        declared = headers.get("x-amz-content-sha256")
        if declared is not None and declared != hashlib.sha256(body).hexdigest():
            raise Ec2Error("SignatureDoesNotMatch", "x-amz-content-sha256 is not the body's", 403)
        if not hmac.compare_digest(
            self._expected(key, method, path, headers, body, scheme_host, names, stamp), signature
        ):
            raise Ec2Error(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.",
                403,
            )
        if key.expires_s is not None and key.expires_s <= time.time():
            raise Ec2Error("RequestExpired", "Request has expired.", 400)
        return key

    @staticmethod
    def _check_time(stamp, date, now_s):
        try:
            moment = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ")
        except ValueError:
            raise Ec2Error(
                "IncompleteSignature", "X-Amz-Date is missing or malformed", 400
            ) from None
        if stamp[:8] != date:
            raise Ec2Error(
                "SignatureDoesNotMatch", "Date in Credential scope is not X-Amz-Date's", 403
            )
        ahead_s = moment.replace(tzinfo=datetime.timezone.utc).timestamp() - now_s
        if ahead_s < -SKEW_S:
            raise Ec2Error("RequestExpired", f"Request has expired. Timestamp was {stamp}", 400)
        if ahead_s > SKEW_S:
            raise Ec2Error("AuthFailure", f"Signature not yet current: {stamp}", 401)

    def _expected(self, key, method, path, headers, body, scheme_host, names, stamp):
        credentials = botocore.credentials.Credentials(key.access_key, key.secret_key, key.token)
        signer = botocore.auth.SigV4Auth(credentials, "ec2", self.settings.region)
        request = botocore.awsrequest.AWSRequest(
            method=method,
            url=scheme_host + path,
            data=body,
            headers={name: headers.get(name, "") for name in names},
        )
        request.context["timestamp"] = stamp
        canonical = signer.canonical_request(request)
        return signer.signature(signer.string_to_sign(request, canonical), request)
