import json
from typing import Any

import pytest

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.anthropic import body
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.parts import CacheMark, Text, ToolCall, ToolResult
from pilothouse_proxy.exchange.request import Request, Role, Tool, Turn


def told(tool: CacheMark | None, call: CacheMark | None) -> dict[str, Any]:
    turns = (
        Turn(role=Role.USER, parts=(Text(text="Now?"),), at=0),
        Turn(role=Role.ASSISTANT, parts=(ToolCall(id="t1", name="clock", arguments="", cache=call),), at=1),
        Turn(role=Role.TOOL, parts=(ToolResult(call_id="t1", content=()),), at=2),
    )
    request = Request(turns=turns, tools=(Tool(name="clock", cache=tool),))
    model = Model(upstream=UpstreamModel("claude-sonnet-5-5"))
    encoded: dict[str, Any] = json.loads(body.encode(request, model, body.Surface.MESSAGES, body.Delivery.WHOLE))
    return encoded


def test_tools_and_calls_carry_their_marks() -> None:
    sent = told(CacheMark(ttl_minutes=60), CacheMark())
    assert sent["tools"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert sent["messages"][1]["content"][0]["cache_control"] == {"type": "ephemeral"}


def test_no_longer_lifetime_follows_that_of_a_tool() -> None:
    with pytest.raises(GatewayError) as raised:
        told(CacheMark(ttl_minutes=5), CacheMark(ttl_minutes=60))
    assert (raised.value.kind, raised.value.param) == (Kind.INVALID_REQUEST, "messages")
