"""Requests that no SDK would send, and answers as they are on the wire."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class RawAnswer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def call(method: str, url: str, target: str, headers: Mapping[str, str], body: bytes | None) -> RawAnswer:
    """One request with exactly this target and these headers (host and length are added if absent)."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        connection.putrequest(method, target, skip_host=any(n.lower() == "host" for n in headers))
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return RawAnswer(answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def post(url: str, target: str, headers: Mapping[str, str], body: bytes) -> RawAnswer:
    return call("POST", url, target, headers, body)
