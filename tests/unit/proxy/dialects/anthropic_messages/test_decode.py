"""What golden cases do not show: they are all of messages."""

import pytest

from pilothouse_proxy.dialects.anthropic_messages import decode
from pilothouse_proxy.dialects.anthropic_messages.versions import STRICT, VERSION
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.parts import Text
from pilothouse_proxy.exchange.request import Role
from tests.unit.proxy.dialects.anthropic_messages.calls import call, count


@pytest.mark.parametrize("more", [{}, {"max_tokens": 0}, {"max_tokens": 100}])
def test_a_count_is_of_the_same_request_without_a_limit(more: dict[str, int]) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "system": "Be brief.", **more}
    request = decode.decode(count(body))
    assert [turn.role for turn in request.turns] == [Role.SYSTEM, Role.USER]
    assert request.max_output_tokens is None


def test_a_message_of_no_tokens_is_refused() -> None:
    with pytest.raises(GatewayError) as raised:
        decode.decode(call({"max_tokens": 0}))
    assert (raised.value.kind, raised.value.param) == (Kind.UNSUPPORTED, "max_tokens")


def test_the_newer_version_takes_plain_text_of_both_sides() -> None:
    messages = [
        {"role": "user", "content": "x" * 50},
        {"role": "assistant", "content": [{"type": "text", "text": "y"}]},
    ]
    request = decode.decode(call({"messages": messages}, headers={VERSION: STRICT}))
    assert [turn.parts for turn in request.turns] == [(Text(text="x" * 50),), (Text(text="y"),)]
