"""Calls as the pipeline makes them, for requests that come out of the exchange."""

import json
from typing import Any

from pilothouse_api.names import ModelName, UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call, Peek
from pilothouse_proxy.dialects.openai_chat import peek
from pilothouse_proxy.dialects.openai_chat.client import Client
from pilothouse_proxy.dialects.openai_chat.provider import Provider
from pilothouse_proxy.exchange.parts import Text
from pilothouse_proxy.exchange.request import Request, Role, Turn
from pilothouse_proxy.operations import DialectName, Operation

HELLO = (Turn(role=Role.USER, parts=(Text(text="Hello"),), at=0),)


def call(model: str = "some-model", *, body: bytes = b"", streams: bool = False, family: str | None = None) -> Call:
    return Call(
        operation=Operation.CHAT,
        request_id="r1",
        created=7,
        peek=peek.read(body) if body else Peek(model=ModelName(model)),
        body=body,
        model=Model(upstream=UpstreamModel(model), family=family),
        dialect=DialectName.OPENAI_CHAT,
        streams=streams,
    )


def sent(request: Request, model: str = "some-model", *, streams: bool = False, family: str | None = None) -> Any:
    """The body that a provider gets."""
    return json.loads(Provider().encode_request(request, call(model, streams=streams, family=family)))


def read_again(request: Request, model: str = "some-model") -> Request:
    """The body, read as a client's."""
    body = Provider().encode_request(request, call(model))
    return Client().decode_request(call(model, body=body))
