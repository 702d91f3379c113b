"""Calls of clients that speak Messages."""

import json
from collections.abc import Mapping
from typing import Any

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call, Peek
from pilothouse_proxy.dialects.anthropic_messages import peek
from pilothouse_proxy.dialects.anthropic_messages.versions import FIRST, VERSION
from pilothouse_proxy.operations import DialectName, Operation


def call(body: Any = None, *, headers: Mapping[bytes, bytes] | None = None) -> Call:
    """One as the pipeline makes it."""
    asked = {"model": "claude", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}], **(body or {})}
    raw = json.dumps(asked).encode()
    return _call(Operation.MESSAGES, raw, peek.read(raw), headers)


def count(body: Any) -> Call:
    """The same, of how many tokens a body has."""
    raw = json.dumps(body).encode()
    return _call(Operation.COUNT_TOKENS, raw, peek.read_count(raw), None)


def _call(operation: Operation, raw: bytes, peeked: Peek, headers: Mapping[bytes, bytes] | None) -> Call:
    return Call(
        operation=operation,
        request_id="r1",
        created=7,
        peek=peeked,
        body=raw,
        model=Model(upstream=UpstreamModel("up")),
        dialect=DialectName.BEDROCK_CONVERSE,
        streams=peeked.stream,
        headers={VERSION: FIRST} if headers is None else headers,
    )
