import json
from typing import Any

import pytest

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_chat import ahead, peek
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.operations import DialectName, Operation


def refused(upstream: str, **members: Any) -> str | None:
    """Which parameter is refused."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], **members}).encode()
    call = Call(
        operation=Operation.CHAT,
        request_id="r",
        created=0,
        peek=peek.read(body),
        body=body,
        model=Model(upstream=UpstreamModel(upstream)),
        dialect=DialectName.OPENAI_CHAT,
        streams=False,
    )
    try:
        ahead.check(call)
    except GatewayError as error:
        assert error.kind is Kind.UNSUPPORTED
        return error.param
    return None


@pytest.mark.parametrize(
    ("upstream", "members", "param"),
    [
        ("o4-mini", {"temperature": 0.5}, "temperature"),
        ("o4-mini", {"top_p": 0.5}, "top_p"),
        ("o4-mini", {"temperature": 1, "top_p": 1.0}, None),
        ("o4-mini", {"temperature": None}, None),
        ("gpt-5", {"temperature": 0.5}, "temperature"),
        ("gpt-5.2", {"temperature": 0.5}, None),
        ("gpt-5.2", {"temperature": 0.5, "reasoning_effort": "none"}, None),
        ("gpt-5.2", {"temperature": 0.5, "reasoning_effort": "high"}, "temperature"),
        ("gpt-4o", {"temperature": 0.5}, None),
        ("gpt-4o", {"reasoning_effort": "low"}, "reasoning_effort"),
        ("gpt-4o", {"reasoning_effort": "none"}, None),
        ("gpt-4o", {"reasoning_effort": None}, None),
        ("who-knows", {"temperature": 0.5, "reasoning_effort": "low"}, None),
    ],
)
def test_what_a_model_is_known_to_refuse_is_refused_before_it_is_sent(
    upstream: str, members: dict[str, Any], param: str | None
) -> None:
    assert refused(upstream, **members) == param
