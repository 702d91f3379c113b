import json
from typing import Any

import pytest

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_responses import ahead, peek
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.operations import DialectName, Operation


@pytest.mark.parametrize(
    ("upstream", "members", "param"),
    [
        ("gpt-5-codex", {"temperature": 0.5}, "temperature"),
        ("gpt-5-codex", {"top_p": 0.5}, "top_p"),
        ("gpt-5-codex", {"temperature": 1}, None),
        ("gpt-5-2025-08-07", {"temperature": 0.5}, "temperature"),
        ("o4-mini", {"temperature": 0.5, "reasoning": {"summary": "auto"}}, "temperature"),
        ("gpt-5-chat-latest", {"temperature": 0.5}, None),
        ("gpt-5.2", {"temperature": 0.5}, None),
        ("gpt-5.2", {"temperature": 0.5, "reasoning": {"summary": "auto"}}, None),
        ("gpt-5.2", {"temperature": 0.5, "reasoning": {"effort": "none"}}, None),
        ("gpt-5.2", {"temperature": 0.5, "reasoning": {"effort": "low"}}, "temperature"),
        ("gpt-4o", {"temperature": 0.5}, None),
        ("gpt-4o", {"reasoning": {"effort": "low"}}, "reasoning.effort"),
        ("gpt-4o", {"reasoning": {"summary": "auto"}}, None),
        ("gpt-4o", {"reasoning": "much"}, None),
        ("who-knows", {"temperature": 0.5, "reasoning": {"effort": "low"}}, None),
    ],
)
def test_what_a_model_is_known_to_refuse_is_refused_before_it_is_sent(
    upstream: str, members: dict[str, Any], param: str | None
) -> None:
    body = json.dumps({"model": "m", "input": "Hi", **members}).encode()
    call = Call(
        operation=Operation.RESPONSES,
        request_id="r",
        created=0,
        peek=peek.read(body),
        body=body,
        model=Model(upstream=UpstreamModel(upstream)),
        dialect=DialectName.OPENAI_RESPONSES,
        streams=False,
    )
    try:
        ahead.check(call)
    except GatewayError as error:
        assert (error.kind, error.param) == (Kind.UNSUPPORTED, param)
    else:
        assert param is None
