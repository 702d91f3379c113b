"""The server's HTTP, on bare sockets."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.simulators import credentials
from tests.simulators.faults import CutEnding, Fault, Kind
from tests.simulators.fleet import Simulators

AUTHORIZATION = f"authorization: Bearer {credentials.OPENAI_API_KEY}\r\n"


@contextmanager
def connected(simulators: Simulators) -> Iterator[socket.socket]:
    host, _, port = simulators.azure_url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        yield connection


def request(text: str = "Hello", *, stream: bool = False, headers: str = "", version: str = "1.1") -> bytes:
    body = json.dumps({"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": text}]}).encode()
    head = f"POST /v1/chat/completions HTTP/{version}\r\nhost: x\r\n{AUTHORIZATION}{headers}"
    return (head + f"content-length: {len(body)}\r\n\r\n").encode() + body


def everything(connection: socket.socket) -> bytes:
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


def test_one_connection_serves_many_requests(simulators: Simulators) -> None:
    with connected(simulators) as connection:
        for _ in range(3):
            connection.sendall(request())
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(("headers", "version"), [("connection: close\r\n", "1.1"), ("", "1.0")])
def test_a_connection_ends_when_the_caller_wants_it(simulators: Simulators, headers: str, version: str) -> None:
    with connected(simulators) as connection:
        connection.sendall(request(headers=headers, version=version))
        assert everything(connection).count(b"HTTP/1.1 200 OK") == 1


def test_pipelined_requests_are_answered_in_order(simulators: Simulators) -> None:
    with connected(simulators) as connection:
        texts = [f"number-{number}-" for number in range(30)]
        connection.sendall(b"".join(request(text) for text in texts) + request("last", headers="connection: close\r\n"))
        received = everything(connection).decode()
    places = [received.index(f"You said: {text}") for text in texts]
    assert places == sorted(places)
    assert received.count("HTTP/1.1 200 OK") == 31


def test_a_chunked_body_and_a_body_in_pieces_are_read(simulators: Simulators) -> None:
    head, _, body = request(headers="connection: close\r\n").partition(b"\r\n\r\n")
    head = head.rpartition(b"\r\n")[0] + b"\r\ntransfer-encoding: chunked\r\n\r\n"
    wire = head + b"".join(b"%x\r\n%b\r\n" % (len(body[i : i + 7]), body[i : i + 7]) for i in range(0, len(body), 7))
    with connected(simulators) as connection:
        for byte in wire + b"0\r\n\r\n":
            connection.send(bytes([byte]))
        assert b"You said: Hello" in everything(connection)


def test_a_caller_that_waits_for_100_is_told_to_go_on(simulators: Simulators) -> None:
    head, _, body = request(headers="expect: 100-continue\r\nconnection: close\r\n").partition(b"\r\n\r\n")
    with connected(simulators) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert b"You said: Hello" in everything(connection)


def test_what_is_no_http_is_refused(simulators: Simulators) -> None:
    with connected(simulators) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_reset_comes_after_what_was_sent(simulators: Simulators) -> None:
    simulators.controls.fail(Fault(kind=Kind.CUT, after_events=3, ending=CutEnding.RESET))
    received = b""
    with connected(simulators) as connection:
        connection.sendall(request("simulate words=9", stream=True))
        with pytest.raises(ConnectionResetError):
            while True:
                piece = connection.recv(65536)
                assert piece
                received += piece
    assert received.count(b"data: ") == 3


def test_a_caller_that_does_not_read_holds_up_only_itself(simulators: Simulators) -> None:
    with connected(simulators) as slow, connected(simulators) as quick:
        slow.sendall(request("simulate words=100000", stream=True))
        quick.sendall(request())
        assert b"You said: Hello" in quick.recv(65536)
        time.sleep(0.05)
        received = b""
        while not received.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
            received += slow.recv(1 << 20)
    assert received.count(b"data: ") == 16384 + 3
