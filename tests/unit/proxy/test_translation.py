"""How two halves of dialects meet."""

import json
from typing import Any

import pytest

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy import translation
from pilothouse_proxy.dialects.anthropic_messages.client import CountClient
from pilothouse_proxy.dialects.anthropic_messages.words import own
from pilothouse_proxy.errors import GatewayError, Kind, UpstreamBroken
from pilothouse_proxy.exchange.counting import CountReply
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.ports import DialectName, Operation
from pilothouse_proxy.runtime import CLIENT_DIALECTS
from tests.unit.proxy.dialects.anthropic_messages.calls import call


class Counter:
    """A provider that counts turns."""

    def encode_request(self, request: Request, model: Model) -> bytes:
        if request.tools:
            raise GatewayError(Kind.UNSUPPORTED, "no `tools[0].function.name`", param="tools[0].function.name")
        return json.dumps({"turns": len(request.turns), "model": model.upstream}).encode()

    def decode_count(self, request: Request, model: Model, body: bytes) -> CountReply:
        return CountReply(input_tokens=len(request.turns) * json.loads(body)["each"])


HUB = translation.CountHub(client=CountClient(), provider=Counter(), words=own)


def test_a_count_goes_there_and_back_and_costs_nothing() -> None:
    asked = call({"system": "Be brief."})
    assert json.loads(HUB.request(asked)) == {"turns": 2, "model": "up"}
    answer = HUB.reply(asked, [], b'{"each": 21}')
    assert json.loads(answer.body) == {"input_tokens": 42}
    assert answer.usage == Usage()


def test_what_cannot_be_counted_is_named_in_the_client_s_words() -> None:
    tool: Any = {"name": "x", "input_schema": {"type": "object"}}
    with pytest.raises(GatewayError) as raised:
        HUB.request(call({"tools": [tool]}))
    assert (raised.value.message, raised.value.param) == ("no `tools[0].name`", "tools[0].name")


def test_no_count_is_a_stream() -> None:
    with pytest.raises(UpstreamBroken):
        HUB.relay(call(), [])


@pytest.mark.parametrize("operation", Operation)
def test_every_dialect_of_clients_has_a_peek(operation: Operation) -> None:
    assert callable(translation.peek(CLIENT_DIALECTS[operation]))


def test_only_some_dialects_of_clients_speak_in_headers() -> None:
    assert translation.headers(DialectName.OPENAI_CHAT) is None
    read = translation.headers(DialectName.ANTHROPIC_MESSAGES)
    assert read is not None
    assert read([(b"anthropic-version", b"2023-06-01")]) == {b"anthropic-version": b"2023-06-01"}
