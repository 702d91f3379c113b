"""Signatures of thinking: made here, checked here, good for the very text that they were made for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import Final

_KEY: Final = os.urandom(32)
_HIDDEN: Final = b"redacted:"


def signature(thinking: str) -> str:
    return _sealed(b"thinking:" + thinking.encode())


def is_signed(thinking: str, sent: str) -> bool:
    return hmac.compare_digest(signature(thinking), sent)


def redacted(thinking: str) -> str:
    """What stands for thinking that is not shown."""
    content = base64.b64encode(thinking.encode()).decode()
    return f"{content}.{_sealed(_HIDDEN + content.encode())}"


def is_redacted(data: str) -> bool:
    content, _, seal = data.partition(".")
    return hmac.compare_digest(_sealed(_HIDDEN + content.encode()), seal)


def _sealed(content: bytes) -> str:
    return base64.b64encode(hmac.digest(_KEY, content, hashlib.sha256)).decode()
