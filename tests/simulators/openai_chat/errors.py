"""Errors in OpenAI's shape."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.simulators import answers
from tests.simulators.answers import Whole
from tests.simulators.wire.replies import Headers


class BadRequest(Exception):
    """A request that earns a 400, or another `status`. `code` and `param` as the service names them."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


def body(message: str, *, kind: str | None, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def answer(status: int, payload: Any, headers: Headers) -> Whole:
    """An error answer; `payload` is the whole body."""
    return answers.whole(status, [("content-type", "application/json"), *headers], msgspec.json.encode(payload))


def bad_request(problem: BadRequest) -> dict[str, Any]:
    return body(problem.message, kind="invalid_request_error", param=problem.param, code=problem.code)
