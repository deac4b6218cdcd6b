# SPDX-License-Identifier: BSD-2-Clause
"""A test's side of the lab's cloud: the control address, boto3 with the lab's keys and CA.

    python3 labclient.py DIR get PATH [KEY=VALUE...]     (GET on the control address)
    python3 labclient.py DIR post PATH [JSON]            (POST)
"""
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Lab:
    def __init__(self, directory):
        self.directory = directory
        with open(os.path.join(directory, "cloud.json"), encoding="utf-8") as stream:
            self.about = json.load(stream)

    def _ask(self, request):
        try:
            with OPENER.open(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{request.full_url}: {error.read().decode()}") from None

    def get(self, path, **query):
        url = f"{self.about['control']}/{path}"
        if query:
            url += "?" + urllib.parse.urlencode(query)
        return self._ask(urllib.request.Request(url))

    def post(self, path, body=None):
        data = json.dumps(body or {}).encode()
        url = f"{self.about['control']}/{path}"
        return self._ask(urllib.request.Request(url, data, {"Content-Type": "application/json"}))

    def ec2(self, who="admin", **options):
        """A boto3 client; retries are off unless asked for."""
        import boto3
        from botocore.config import Config

        config = {"retries": {"max_attempts": 0}, "read_timeout": 30, **options}
        key = self.about["keys"][who]
        return boto3.client(
            "ec2",
            region_name=self.about["region"],
            endpoint_url=self.about["ec2"],
            verify=self.about["ca"],
            aws_access_key_id=key["access_key"],
            aws_secret_access_key=key["secret_key"],
            config=Config(**config),
        )


def main(arguments):
    if len(arguments) < 3 or arguments[1] not in ("get", "post"):
        print(__doc__, file=sys.stderr)
        return 2
    lab = Lab(arguments[0])
    if arguments[1] == "get":
        result = lab.get(arguments[2].strip("/"), **dict(a.split("=", 1) for a in arguments[3:]))
    else:
        body = json.loads(arguments[3]) if len(arguments) > 3 else {}
        result = lab.post(arguments[2].strip("/"), body)
    json.dump(result, sys.stdout, indent=1)
    print()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (RuntimeError, OSError, ValueError) as error:
        print(f"labclient: {error}", file=sys.stderr)
        sys.exit(1)
