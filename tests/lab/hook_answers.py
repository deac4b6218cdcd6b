#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""In the place of stillpoint-hook (hook_listener.py): a copy session that does nothing.

    hook_answers.py OP STATUS TEXT

Says COPY_OK to everything but OP, to which it says STATUS with TEXT: numbers of copy_wire.h.
"""
import socket
import struct
import sys

HEAD = struct.Struct("=IIQ")  # version, op, serial
REPLY = struct.Struct("=IIQIiiiq4QII")


def main(wanted, status, text):
    connection = socket.socket(fileno=3)
    while True:
        request = connection.recv(1 << 16)
        if not request:
            return
        version, op, serial = HEAD.unpack_from(request)
        hit = op == int(wanted)
        data = text.encode() if hit else b""
        head = REPLY.pack(version, op, serial, int(status) if hit else 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, len(data))
        connection.send(head + data)
        if op == 10:  # COPY_OP_CLOSE
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
