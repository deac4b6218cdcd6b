# SPDX-License-Identifier: BSD-2-Clause
"""A small threaded HTTP/1.1 server: keep-alive, one send an answer, and ways to misbehave.

A handler is a function(request) -> Answer. It may raise Drop to end the connection with a reset.
The listening socket gets a port that the kernel chooses, on 127.0.0.1 only.
"""
import email.utils
import http.client
import io
import itertools
import socket
import ssl
import struct
import threading
import time

MAX_BODY = 16 * 1024 * 1024
MAX_HEAD = 64 * 1024


class Drop(Exception):
    """The connection is to be reset without an answer."""


class Answer:
    def __init__(self, status=200, body=b"", headers=None, clock_offset_s=0.0):
        self.status, self.body, self.headers = status, body, dict(headers or {})
        self.clock_offset_s = clock_offset_s
        self.declared_length = None  # other than the body's, for a truncated answer
        self.pace = None  # (bytes, seconds): sent in pieces
        self.close = False

    def head(self):
        reason = http.client.responses.get(self.status, "")
        length = len(self.body) if self.declared_length is None else self.declared_length
        date = email.utils.formatdate(time.time() + self.clock_offset_s, usegmt=True)
        lines = [f"HTTP/1.1 {self.status} {reason}", f"Date: {date}", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.close:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Request:
    def __init__(self, method, path, headers, body, connection, number):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.connection, self.number = connection, number  # number: requests before on it


class Server:
    """serve() until stop(); each connection has a thread of its own."""

    _connections = itertools.count(1)

    def __init__(self, handler, tls=None, idle_timeout_s=lambda: 60.0, max_body=MAX_BODY):
        self.handler, self.tls, self.max_body = handler, tls, max_body
        self.idle_timeout_s = idle_timeout_s
        self.port = 0
        self._listener = None
        self._lock = threading.Lock()
        self.listen()

    def listen(self):
        """Opens the listening socket (again on the same port after hush())."""
        with self._lock:
            if self._listener is not None:
                return
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))
            listener.listen(128)
            self.port = listener.getsockname()[1]
            self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def hush(self):
        """Closes the listening socket: the next connection is refused."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connection, args=(sock,), daemon=True).start()

    def _connection(self, sock):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(10)
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
            self._requests(sock, next(self._connections))
        except Drop:
            # Linger 0: close() sends RST, whatever is still unread.
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass
        except (OSError, ssl.SSLError, ValueError):
            pass
        finally:
            sock.close()

    def _requests(self, sock, connection):
        stream = sock.makefile("rb", 65536)
        for number in itertools.count():
            sock.settimeout(self.idle_timeout_s())
            line = stream.readline(MAX_HEAD)
            if not line:
                return
            sock.settimeout(30)
            method, path, version = line.decode("latin-1").split()
            headers = self._headers(stream)
            if headers.get("expect", "").lower() == "100-continue":
                sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            length = int(headers.get("content-length", "0"))
            if "transfer-encoding" in headers or not 0 <= length <= self.max_body:
                sock.sendall(Answer(413 if length > self.max_body else 501).head())
                return
            body = stream.read(length)
            if len(body) < length:
                return
            answer = self.handler(Request(method, path, headers, body, connection, number))
            if headers.get("connection", "").lower() == "close" or version != "HTTP/1.1":
                answer.close = True
            self._send(sock, answer, method)
            if answer.close:
                return

    @staticmethod
    def _headers(stream):
        headers, size = {}, 0
        while True:
            line = stream.readline(MAX_HEAD)
            size += len(line)
            if size > MAX_HEAD or not line:
                raise ValueError("bad header")
            if line in (b"\r\n", b"\n"):
                return headers
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or not name.strip() or name != name.rstrip():
                raise ValueError("bad header")
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]},{value}" if name in headers else value

    @staticmethod
    def _send(sock, answer, method):
        body = b"" if method == "HEAD" else answer.body
        if answer.pace is None:
            sock.sendall(answer.head() + body)
        else:
            size, pause_s = answer.pace
            stream = io.BytesIO(answer.head() + body)
            while piece := stream.read(size):
                sock.sendall(piece)
                time.sleep(pause_s)
        if answer.declared_length is not None:
            answer.close = True
