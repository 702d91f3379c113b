"""Calls and requests as the pipeline and a client's dialect make them."""

import json
from typing import Any

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy import translation
from pilothouse_proxy.call import Call
from pilothouse_proxy.operations import DialectName, Operation
from pilothouse_proxy.ports import Translation


def call(
    dialect: DialectName, upstream: str, body: dict[str, Any], *, family: str | None = None, most: int | None = None
) -> Call:
    raw = json.dumps({"model": "m", **body}).encode()
    peek = translation.peek(DialectName.OPENAI_CHAT)(raw)
    return Call(
        operation=Operation.CHAT,
        request_id="r",
        created=0,
        peek=peek,
        body=raw,
        model=Model(upstream=UpstreamModel(upstream), family=family, max_output_tokens=most),
        dialect=dialect,
        streams=peek.stream,
    )


def met(dialect: DialectName) -> Translation:
    found = translation.between(DialectName.OPENAI_CHAT, dialect)
    assert found is not None
    return found


def sent(dialect: DialectName, upstream: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The native body of a client's request."""
    document: dict[str, Any] = json.loads(met(dialect).request(call(dialect, upstream, body, **more)))
    return document
