"""What a model cannot serve is refused by the client's parameter, and nothing else is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.facts import Facts, Price
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.openai_chat import peek as chat
from pilothouse_proxy.dialects.openai_embeddings import peek as embeddings
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.ports import Call, DialectName, Operation
from pilothouse_proxy.quota.estimate import measure
from pilothouse_proxy.routing import fit

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
FILE = {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
TOOL = {"type": "function", "function": {"name": "f"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}


def model(facts: Facts | None = None, ceiling: int | None = None) -> Model:
    return Model(upstream=UpstreamModel("m"), facts=facts, max_output_tokens=ceiling)


def refusal(
    of: Model, *, operation: Operation = Operation.CHAT, content: Any = "hello", **members: Any
) -> GatewayError | None:
    asked: dict[str, Any] = {"model": "chat"}
    if operation is Operation.CHAT:
        asked["messages"] = [{"role": "user", "content": content}]
        read = chat.read
    else:
        asked["input"] = content
        read = embeddings.read
    body = json.dumps({**asked, **members}).encode()
    call = Call(
        operation=operation,
        request_id="r",
        created=0,
        peek=read(body),
        body=body,
        model=of,
        dialect=DialectName.OPENAI_CHAT,
        streams=False,
    )
    found = fit.of(of)
    return None if found is None else found.refusal(call, measure(body).text_bytes)


def test_of_what_nothing_is_known_there_is_nothing_to_ask() -> None:
    assert fit.of(model()) is None
    assert fit.of(model(Facts(vision=True, tools=True, price=Price(input=5)))) is None


@pytest.mark.parametrize(
    ("facts", "members", "param"),
    [
        (Facts(tools=False), {"tools": [TOOL]}, "tools"),
        (Facts(tools=False), {"functions": [{"name": "f"}]}, "functions"),
        (Facts(json_schema=False), {"response_format": SCHEMA}, "response_format"),
        (Facts(vision=False), {"content": [{"type": "text", "text": "?"}, IMAGE]}, "messages"),
        (Facts(documents=False), {"content": [FILE]}, "messages"),
        (Facts(audio=False), {"content": [SOUND]}, "messages"),
        (Facts(embeddings=True), {}, "model"),
    ],
)
def test_what_a_model_cannot_do_is_refused_by_the_parameter_that_asks_for_it(
    facts: Facts, members: dict[str, Any], param: str
) -> None:
    refused = refusal(model(facts), **members)
    assert refused is not None
    assert (refused.kind, refused.param) == (Kind.UNSUPPORTED, param)
    assert refusal(model(), **members) is None


@pytest.mark.parametrize(
    ("facts", "members"),
    [
        (Facts(tools=False), {"tools": []}),
        (Facts(tools=False), {"tools": None}),
        (Facts(json_schema=False), {"response_format": {"type": "json_object"}}),
        (Facts(json_schema=False), {"response_format": None}),
        (Facts(json_schema=False), {"response_format": "json_schema"}),
        (Facts(vision=False), {"content": "image_url"}),
        (Facts(vision=False), {"content": 'say "image_url"'}),
        (Facts(vision=False), {"content": [{"type": "text", "text": "image_url"}]}),
        (Facts(vision=False), {"content": [SOUND, FILE]}),
        (Facts(vision=False), {"content": [{"type": 5, "text": "image_url"}]}),
        (Facts(embeddings=False), {}),
        (Facts(context_tokens=8), {}),
    ],
)
def test_what_only_looks_like_it_passes(facts: Facts, members: dict[str, Any]) -> None:
    assert refusal(model(facts), **members) is None


@pytest.mark.parametrize("param", ["max_tokens", "max_completion_tokens"])
def test_more_output_than_a_model_writes_is_refused(param: str) -> None:
    refused = refusal(model(ceiling=100), **{param: 101})
    assert refused is not None
    assert (refused.kind, refused.param) == (Kind.UNSUPPORTED, param)
    assert "101" in refused.message and "100 tokens" in refused.message
    assert refusal(model(ceiling=100), **{param: 100}) is None
    assert refusal(model(ceiling=100)) is None


def test_embeddings_are_no_business_of_a_model_that_makes_none() -> None:
    refused = refusal(model(Facts(embeddings=False)), operation=Operation.EMBEDDINGS)
    assert refused is not None
    assert refused.param == "model"
    assert refusal(model(Facts(embeddings=True)), operation=Operation.EMBEDDINGS) is None


@pytest.mark.parametrize(("operation", "param"), [(Operation.CHAT, "messages"), (Operation.EMBEDDINGS, "input")])
def test_what_is_too_long_by_far_is_a_matter_of_the_context_window(operation: Operation, param: str) -> None:
    """So that a route's `fallback.on: ContextWindow` finds a larger one."""
    refused = refusal(model(Facts(context_tokens=1_000)), operation=operation, content="word " * 10_000)
    assert refused is not None
    assert (refused.kind, refused.param) == (Kind.CONTEXT_LENGTH, param)


@pytest.mark.parametrize(
    "content",
    [
        "word " * 2_000,  # some 2,000 tokens, 10 kB
        "\u6c34" * 1_900,  # written as \u6c34, six bytes each: at most a token each
        "\n" + " " * 60_000,  # long runs of blanks are few tokens
        [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 90_000}}],
    ],
)
def test_bytes_that_are_no_tokens_do_not_count(content: Any) -> None:
    assert refusal(model(Facts(context_tokens=2_000)), content=content) is None


_switch = st.none() | st.booleans()


@given(st.builds(Facts, streaming=_switch, tools=_switch, vision=_switch, json_schema=_switch, reasoning=_switch))
def test_plain_words_are_never_refused(facts: Facts) -> None:
    assert refusal(model(facts)) is None
