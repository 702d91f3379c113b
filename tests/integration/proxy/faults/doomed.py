"""A provider in a process of its own that comes to a stop at a given point, and waits there for whatever befalls it.

`python doomed.py PHASE [PORT]` writes its port, then `there` at the point. It ends with its standard input.
"""

import json
import select
import socket
import sys
from collections.abc import Callable

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
ROLE, HALF = (
    b"data: "
    + json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": None}], "usage": None}).encode()
    + b"\n\n"
    for delta in ({"role": "assistant", "content": ""}, {"content": "half"})
)
DONE = b"data: [DONE]\n\n"
MESSAGE = {"role": "assistant", "content": "Ahoy"}
COMPLETION = json.dumps({"choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}]}).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def read_request(line: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += line.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < size:
        body += line.recv(65_536)


def before_accept(listener: socket.socket) -> socket.socket | None:
    select.select([listener], [], [])
    return None


def before_reading(listener: socket.socket) -> socket.socket | None:
    line, _ = listener.accept()
    select.select([line], [], [])
    return line


def while_reading(listener: socket.socket) -> socket.socket | None:
    line, _ = listener.accept()
    line.recv(65_536)
    return line


def saying(*said: bytes) -> Callable[[socket.socket], socket.socket | None]:
    """Reads a request, and says so much of an answer."""

    def stop(listener: socket.socket) -> socket.socket | None:
        line, _ = listener.accept()
        read_request(line)
        line.sendall(b"".join(said))
        return line

    return stop


PHASES: dict[str, Callable[[socket.socket], socket.socket | None]] = {
    "before accepting": before_accept,
    "before reading": before_reading,
    "while reading the request": while_reading,
    "before the head": saying(),
    "within the head": saying(STREAM[:40]),
    "before the body": saying(WHOLE % 1_000),
    "within the body": saying(WHOLE % 1_000, COMPLETION[:20]),
    "between requests": saying(WHOLE % len(COMPLETION), COMPLETION),
    "before the first event": saying(STREAM),
    "before content": saying(STREAM, chunk(ROLE)),
    "after content": saying(STREAM, chunk(ROLE), chunk(HALF)),
    "within a chunk": saying(STREAM, chunk(ROLE), chunk(HALF), chunk(HALF)[:20]),
    "after the last event": saying(STREAM, chunk(ROLE), chunk(HALF), chunk(DONE)),
}


def run(phase: str, port: int) -> None:
    # Small, lest the system take in a whole body that nobody reads.
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    print(listener.getsockname()[1], flush=True)
    line = PHASES[phase](listener)
    print("there", flush=True)
    sys.stdin.read()
    if line is not None:
        line.close()


if __name__ == "__main__":
    run(sys.argv[1], int((sys.argv[2:] or ["0"])[0]))
