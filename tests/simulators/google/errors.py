"""Errors as every API of Google says them."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """https://cloud.google.com/apis/design/errors#http_mapping."""

    def __init__(self, code: int, status: str, message: str, details: list[dict[str, Any]] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.body: dict[str, Any] = {"error": {"code": code, "message": message, "status": status}}
        if details:
            self.body["error"]["details"] = details
