# SPDX-License-Identifier: BSD-2-Clause
"""IMDSv2: sessions, the identity document, the metadata tree and the role's credentials."""
import datetime
import json
import secrets
import threading
import time

from .httpd import Answer, Drop

TOKEN_PATH = "/latest/api/token"


class Imds:
    """A handler for httpd.Server; settings["imds"] says how it behaves."""

    def __init__(self, settings, keyring, world):
        self.settings, self.keyring, self.world = settings, keyring, world
        self.lock = threading.Lock()
        self.tokens = {}  # token -> monotonic time of its end
        self.log = []

    def forget_tokens(self):
        """Every session ends: the next read is answered 401."""
        with self.lock:
            self.tokens.clear()

    def __call__(self, request):
        imds = self.settings.imds
        answer = self._answer(request, imds)
        with self.lock:
            self.log.append((request.method, request.path, answer.status))
            del self.log[:-2000]
        return answer

    def _answer(self, request, imds):
        if imds["slow_ms"]:
            time.sleep(imds["slow_ms"] / 1000.0)
        if imds["mode"] == "hang" or (imds["mode"] == "hang_put" and request.method == "PUT"):
            time.sleep(3600)
            raise Drop()
        if imds["mode"] == "forbidden":
            return Answer(403, b"Forbidden")
        if imds["mode"] == "missing":
            return Answer(404, b"Not Found")
        if "x-forwarded-for" in request.headers:
            return Answer(403, b"Forbidden")
        if request.method == "PUT" and request.path == TOKEN_PATH:
            return self._session(request, imds)
        if request.method not in ("GET", "HEAD"):
            return Answer(405, b"Method Not Allowed")
        with self.lock:
            end = self.tokens.get(request.headers.get("x-aws-ec2-metadata-token", ""))
        if end is None or time.monotonic() >= end:
            return Answer(401, b"Unauthorized")
        return self._item(request.path, imds)

    def _session(self, request, imds):
        ttl = request.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
        if not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
            return Answer(400, b"Bad Request")
        seconds = min(int(ttl), imds["token_ttl_max_s"])
        token = secrets.token_urlsafe(40) + "=="
        with self.lock:
            self.tokens[token] = time.monotonic() + seconds
        return Answer(
            200,
            token.encode(),
            {"Content-Type": "text/plain", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds": str(seconds)},
        )

    def _item(self, path, imds):
        if not path.startswith("/latest/"):
            return Answer(404, b"Not Found")
        path = path[len("/latest/") :]
        if path in imds["items"]:
            text = imds["items"][path]
        else:
            text = self._tree(imds).get(path)
            if text is None and path.endswith("/"):
                text = self._tree(imds).get(path[:-1])
        if isinstance(text, tuple):
            return Answer(text[0], text[1].encode(), {"Content-Type": "application/json"})
        if text is None:
            return Answer(404, b"<?xml version=\"1.0\"?><html><body>404 - Not Found</body></html>")
        return Answer(200, text.encode(), {"Content-Type": "text/plain"})

    def _tree(self, imds):
        """Every item, folders as lists of names, for the instance that asks."""
        instance_id = imds["instance_id"] or self.world.last_instance
        if instance_id is None:
            return {}
        with self.world.lock:
            instance = self.world.instance(instance_id)
            zone = instance.placement.zone if hasattr(instance.placement, "zone") else None
            mapping = {d: b.volume_id for d, b in instance.block_device_mapping.items()}
            tags = {t["Key"]: t["Value"] for t in self.world.tags_of(instance_id)}
            address, kind = instance.private_ip, instance.instance_type
            image, root = instance.image_id, instance.root_device_name
        zone = str(zone or self.settings.region + "a")
        name = f"ip-{address.replace('.', '-')}.{self.settings.region}.compute.internal"
        leaves = {
            "dynamic/instance-identity/document": self._document(
                imds, instance_id, zone, address, kind, image
            ),
            "meta-data/instance-id": instance_id,
            "meta-data/ami-id": image,
            "meta-data/instance-type": kind,
            "meta-data/hostname": name,
            "meta-data/local-ipv4": address,
            "meta-data/instance-action": "none",
            "meta-data/placement/region": self.settings.region,
            "meta-data/placement/availability-zone": zone,
            "meta-data/services/domain": "amazonaws.com",
            "meta-data/services/partition": "aws",
            "meta-data/block-device-mapping/ami": root,
            "meta-data/block-device-mapping/root": root,
        }
        for number, device in enumerate((d for d in mapping if d != root), 1):
            leaves[f"meta-data/block-device-mapping/ebs{number}"] = device.removeprefix("/dev/")
        if imds["spot_action"]:
            leaves["meta-data/spot/instance-action"] = json.dumps(imds["spot_action"])
        if imds["tags"]:
            for key, value in tags.items():
                leaves[f"meta-data/tags/instance/{key}"] = value
        if imds["role"]:
            role = f"meta-data/iam/security-credentials/{imds['role']}"
            leaves[role] = self._credentials(imds, instance_id)
        return self._with_folders(leaves)

    @staticmethod
    def _with_folders(leaves):
        folders = {}
        for path in leaves:
            parts = path.split("/")
            for depth in range(1, len(parts)):
                name = parts[depth] + ("/" if depth < len(parts) - 1 else "")
                folders.setdefault("/".join(parts[:depth]), set()).add(name)
        return {**{path: "\n".join(sorted(names)) for path, names in folders.items()}, **leaves}

    def _document(self, imds, instance_id, zone, address, kind, image):
        document = {
            "accountId": self.settings.account,
            "architecture": "x86_64",
            "availabilityZone": zone,
            "billingProducts": None,
            "devpayProductCodes": None,
            "marketplaceProductCodes": None,
            "imageId": image,
            "instanceId": instance_id,
            "instanceType": kind,
            "kernelId": None,
            "pendingTime": "2026-01-01T00:00:00Z",
            "privateIp": address,
            "ramdiskId": None,
            "region": self.settings.region,
            "version": "2017-09-30",
        }
        document.update(imds["document"])
        return json.dumps(document, indent=2)

    def _credentials(self, imds, instance_id):
        if imds["credentials_status"] != 200:
            return (imds["credentials_status"], '{"Code": "Failed"}')

        def stamp(seconds):
            moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

        key = self.keyring.role_key(instance_id)
        return json.dumps(
            {
                "Code": "Success",
                "LastUpdated": stamp(key.made_s),
                "Type": "AWS-HMAC",
                "AccessKeyId": key.access_key,
                "SecretAccessKey": key.secret_key,
                "Token": key.token,
                "Expiration": stamp(key.expires_s),
            },
            indent=2,
        )
