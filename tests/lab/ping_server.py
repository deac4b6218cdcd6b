#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A dead-man's server on loopback: ping_server.py LAB writes its address to LAB/ping.url and each request as
a JSON line to LAB/pings. LAB/ping.mode says how it answers: ok, fail (500), gone (404), hang. Ends with its
parent."""
import ctypes
import http.server
import json
import os
import pathlib
import signal
import sys
import threading
import time

LAB = pathlib.Path(sys.argv[1])
LOCK = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        at = time.time()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        mode = (LAB / "ping.mode").read_text().strip()
        with LOCK, open(LAB / "pings", "a", encoding="utf-8") as log:
            log.write(json.dumps({"at": at, "path": self.path, "body": body, "mode": mode}) + "\n")
        if mode == "hang":
            time.sleep(60)
            return
        self.send_response({"ok": 200, "fail": 500, "gone": 404}[mode])
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, format, *args):  # noqa: A002 - the base's name
        pass


ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0), Handler)
server.daemon_threads = True
(LAB / "pings").touch()
new = LAB / "ping.url.new"
new.write_text(f"http://127.0.0.1:{server.server_address[1]}/SECRET-0b1c2d3e")
os.replace(new, LAB / "ping.url")
server.serve_forever()
