"""Reasoning that only its own model can read: what comes back must be what was sent, id and summary included."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping
from typing import Any, Final

import msgspec

_KEY: Final = os.urandom(32)
_PREFIX: Final = "gAAAAAB"


def encrypted(item: Mapping[str, Any], *, model: str) -> str:
    """`encrypted_content` of a reasoning item."""
    seen = msgspec.json.encode([model, item.get("id"), item.get("summary")])
    return _PREFIX + base64.urlsafe_b64encode(hmac.digest(_KEY, seen, hashlib.sha256)).decode()


def verified(item: Mapping[str, Any], *, model: str) -> bool:
    """Whether it came from here, and unmodified."""
    return hmac.compare_digest(str(item.get("encrypted_content")), encrypted(item, model=model))
