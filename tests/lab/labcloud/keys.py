# SPDX-License-Identifier: BSD-2-Clause
"""KMS, as far as EBS shows it."""
from .wire import Ec2Error


class Keys:
    def __init__(self, settings):
        self._settings = settings
        self._prefix = f"arn:aws:kms:{settings.region}:{settings.account}:"
        # What alias/aws/ebs stands for.
        self.default = self._prefix + "key/00000000-1111-2222-3333-444444444444"

    def arn(self, name):
        """A key's id, alias or ARN as an ARN. Whether there is such a key shows later only."""
        if name.startswith("arn:"):
            return name
        if name == "alias/aws/ebs":
            return self.default
        return self._prefix + (name if name.startswith("alias/") else f"key/{name}")

    def are_kept(self):
        """Whether there is a key that serves some only."""
        return bool(self._settings["key_users"])

    def serves(self, arn, role):
        """Whether the key's own policy lets ROLE use it."""
        kept = {self.arn(name): users for name, users in self._settings["key_users"].items()}
        return role in kept.get(arn, (role,))

    def for_volume(self, order, snapshot):
        """(encrypted, key's ARN or None) of a volume ordered with Encrypted and KmsKeyId."""
        asked, key = order.get("Encrypted"), order.get("KmsKeyId")
        if key is not None and not asked:
            raise Ec2Error(
                "InvalidParameterDependency",
                "The parameter KmsKeyId requires the parameter Encrypted to be set.",
            )
        if snapshot is not None and snapshot.encrypted:
            if asked is False:
                raise Ec2Error(
                    "InvalidParameterValue",
                    "The encrypted flag cannot be set to false for an encrypted snapshot",
                )
            return True, self.arn(key) if key else snapshot.key or self.default
        if not asked:
            return False, None
        return True, self.arn(key) if key else self.default
