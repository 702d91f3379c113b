"""Which dialects meet, and how: the same one passes bytes through, two different ones meet in the exchange.

Dialects are named by string and loaded when a snapshot first needs them: a proxy without Bedrock never loads Converse.
"""

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from pilothouse_proxy.ports import DialectName, Peek, Translation

_D = DialectName
_ROOM = "pilothouse_proxy.dialects."

_PEEKS: Mapping[DialectName, str] = {
    _D.OPENAI_CHAT: "openai_chat.peek:read",
    _D.OPENAI_EMBEDDINGS: "openai_embeddings.peek:read",
}
_PASS_THROUGH: Mapping[DialectName, str] = {
    _D.OPENAI_CHAT: "openai_chat.passthrough:PassThrough",
    _D.OPENAI_EMBEDDINGS: "openai_embeddings.passthrough:PassThrough",
}


def peek(client: DialectName, body: bytes) -> Peek:
    """What routing must know of a client's body.

    Raises:
        GatewayError: INVALID_REQUEST that names the parameter.
        KeyError: no client speaks this dialect.
    """
    read: Callable[[bytes], Peek] = _load(_PEEKS[client])
    return read(body)


@functools.cache
def between(client: DialectName, upstream: DialectName) -> Translation | None:
    """How a client of one dialect is served by a provider of another; None if it cannot be."""
    if client is upstream:
        return _load(_PASS_THROUGH[client])() if client in _PASS_THROUGH else None
    return None


@functools.cache
def _load(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(_ROOM + module), attribute)
