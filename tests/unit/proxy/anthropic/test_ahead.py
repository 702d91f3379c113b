import json
from typing import Any

import pytest

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.anthropic import ahead
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import members

OLD, NEW, BUDGET = "claude-3-haiku-20240307", "claude-sonnet-5-5", "claude-haiku-4-5-20251001"
FORMAT = {"format": {"type": "json_schema", "schema": {"type": "object"}}}


@pytest.mark.parametrize(
    ("upstream", "sent", "param"),
    [
        (NEW, {"temperature": 0.5}, "temperature"),
        (NEW, {"temperature": 1, "top_p": None}, None),
        (NEW, {"thinking": {"type": "enabled", "budget_tokens": 2_000}}, "thinking.type"),
        (NEW, {"thinking": {"type": "adaptive"}}, None),
        (NEW, {"tool_choice": {"type": "tool", "name": "x"}}, "tool_choice.type"),
        (NEW, {"tool_choice": {"type": "any"}}, "tool_choice.type"),
        (NEW, {"tool_choice": {"type": "auto"}}, None),
        (NEW, {"output_config": FORMAT}, None),
        ("us.anthropic.claude-opus-5-5", {"temperature": 0.5}, "temperature"),
        (BUDGET, {"thinking": {"type": "enabled", "budget_tokens": 2_000}, "temperature": 0.5}, None),
        (OLD, {"thinking": {"type": "enabled", "budget_tokens": 2_000}}, "thinking"),
        (OLD, {"thinking": {"type": "disabled"}}, None),
        (OLD, {"output_config": FORMAT}, "output_config.format"),
        (OLD, {"output_config": {"effort": "low"}}, None),
        (OLD, {"thinking": "much", "tool_choice": 7, "output_config": []}, None),
        ("claude-of-tomorrow", {"temperature": 0.5, "thinking": {"type": "enabled"}}, None),
    ],
)
def test_what_a_model_is_known_to_refuse_is_refused_before_it_is_sent(
    upstream: str, sent: dict[str, Any], param: str | None
) -> None:
    model = Model(upstream=UpstreamModel(upstream))
    try:
        ahead.check(model, members.read(json.dumps({"model": "m", **sent}).encode()))
    except GatewayError as error:
        assert (error.kind, error.param) == (Kind.UNSUPPORTED, param)
    else:
        assert param is None
