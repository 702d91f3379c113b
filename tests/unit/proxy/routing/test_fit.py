"""What a model cannot serve is refused by the client's parameter, and nothing else is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.facts import Facts, Price
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy import translation
from pilothouse_proxy.call import Call
from pilothouse_proxy.errors import GatewayError, Kind, Shape
from pilothouse_proxy.operations import SHAPES, Operation
from pilothouse_proxy.quota.estimate import measure, measure_members
from pilothouse_proxy.routing import fit
from pilothouse_proxy.runtime import CLIENT_DIALECTS

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
FILE = {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
TOOL = {"type": "function", "function": {"name": "f"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
PDF = {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}}
WRITTEN = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}}
DRAWN = {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "see"}, PNG]}}
CLAUDE_TOOL = {"name": "f", "input_schema": {"type": "object"}}
BOUND = {"type": "json_schema", "schema": {}}


def result(*content: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t", "content": list(content)}


def model(facts: Facts | None = None, ceiling: int | None = None) -> Model:
    return Model(upstream=UpstreamModel("m"), facts=facts, max_output_tokens=ceiling)


def asking(operation: Operation, body: bytes, of: Model) -> Call:
    return Call(
        operation=operation,
        request_id="r",
        created=0,
        peek=translation.peek(CLIENT_DIALECTS[operation])(body),
        body=body,
        model=of,
        dialect=CLIENT_DIALECTS[operation],
        streams=False,
    )


def refusal(
    of: Model, *, operation: Operation = Operation.CHAT, content: Any = "hello", **members: Any
) -> GatewayError | None:
    asked: dict[str, Any] = {"model": "chat"}
    asked |= {
        Operation.CHAT: {"messages": [{"role": "user", "content": content}]},
        Operation.MESSAGES: {"messages": [{"role": "user", "content": content}], "max_tokens": 50},
        Operation.COUNT_TOKENS: {"messages": [{"role": "user", "content": content}]},
        Operation.COMPLETIONS: {"prompt": content},
        Operation.EMBEDDINGS: {"input": content},
        Operation.RERANK: {"query": "?", "documents": content},
    }[operation]
    body = json.dumps({**asked, **members}).encode()
    call = asking(operation, body, of)
    found = fit.of(of)
    text = measure_members(body) if SHAPES.get(operation) is Shape.ANTHROPIC else measure(body)
    return None if found is None else found.refusal(call, text.text_bytes)


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


@pytest.mark.parametrize(
    ("facts", "members", "param"),
    [
        (Facts(tools=False), {"tools": [CLAUDE_TOOL]}, "tools"),
        (Facts(json_schema=False), {"output_config": {"effort": "low", "format": BOUND}}, "output_config.format"),
        (Facts(json_schema=False), {"output_format": BOUND}, "output_format"),
        (Facts(vision=False), {"content": [PNG]}, "messages"),
        (Facts(vision=False), {"content": [result({"type": "text", "text": "here"}, PNG)]}, "messages"),
        (Facts(vision=False), {"content": [DRAWN]}, "messages"),
        (Facts(documents=False), {"content": [PDF]}, "messages"),
        (Facts(documents=False), {"content": [result(PDF)]}, "messages"),
        (Facts(embeddings=True), {}, "model"),
    ],
)
def test_so_it_is_for_clients_of_messages_in_their_own_words(facts: Facts, members: dict[str, Any], param: str) -> None:
    refused = refusal(model(facts), operation=Operation.MESSAGES, **members)
    assert refused is not None
    assert (refused.kind, refused.param) == (Kind.UNSUPPORTED, param)
    assert refusal(model(), operation=Operation.MESSAGES, **members) is None


@pytest.mark.parametrize(
    ("facts", "members"),
    [
        (Facts(tools=False), {"tools": []}),
        (Facts(json_schema=False), {"output_config": {"effort": "low"}}),
        (Facts(json_schema=False), {"output_config": {"format": None}}),
        (Facts(json_schema=False), {"output_config": None}),
        (Facts(json_schema=False), {"output_config": "json_schema"}),
        (Facts(documents=False), {"content": [WRITTEN]}),
        (Facts(documents=False), {"content": [DRAWN]}),
        (Facts(vision=False), {"content": [result({"type": "text", "text": "image"}), WRITTEN, PDF]}),
        (Facts(vision=False), {"content": [{**result(), "content": "image"}]}),
        (Facts(vision=False), {"content": [{"type": "web_search_tool_result", "content": {"type": "image"}}]}),
    ],
)
def test_what_only_looks_like_it_passes_for_them(facts: Facts, members: dict[str, Any]) -> None:
    assert refusal(model(facts), operation=Operation.MESSAGES, **members) is None


@pytest.mark.parametrize("depth", [100, 400, *range(430, 500, 5)])
def test_results_in_results_are_looked_through_or_left_to_others(depth: int) -> None:
    """Up to where no JSON is read any more."""
    content = b'[{"type":"tool_result","content":' * depth + json.dumps([PNG]).encode() + b"}]" * depth
    body = b'{"model":"chat","max_tokens":5,"messages":[{"role":"user","content":%b}]}' % content
    of = model(Facts(vision=False))
    found = fit.of(of)
    assert found is not None
    try:
        refused = found.refusal(asking(Operation.MESSAGES, body, of), len(body))
    except GatewayError as error:
        assert error.kind is Kind.INVALID_REQUEST
    else:
        assert refused is None or refused.param == "messages"


def test_who_counts_tokens_is_refused_nothing() -> None:
    """How long is too long is what they want to know."""
    nothing = Facts(tools=False, vision=False, embeddings=False, context_tokens=10)
    counted = refusal(
        model(nothing, 1), operation=Operation.COUNT_TOKENS, content=[PNG, {"type": "text", "text": "word " * 900}]
    )
    assert counted is None


def test_what_an_account_tells_of_the_output_counts_unless_the_manifest_says_otherwise() -> None:
    told = Facts(max_output_tokens=10)
    assert refusal(model(told), max_tokens=11) is not None
    assert refusal(model(told, ceiling=20), max_tokens=11) is None


@pytest.mark.parametrize(
    ("operation", "param"), [(Operation.MESSAGES, "max_tokens"), (Operation.COMPLETIONS, "max_tokens")]
)
def test_a_limit_has_the_client_s_own_name(operation: Operation, param: str) -> None:
    refused = refusal(model(ceiling=100), operation=operation, max_tokens=101)
    assert refused is not None
    assert refused.param == param


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


@pytest.mark.parametrize(
    ("operation", "param"),
    [
        (Operation.CHAT, "messages"),
        (Operation.MESSAGES, "messages"),
        (Operation.COMPLETIONS, "prompt"),
        (Operation.EMBEDDINGS, "input"),
    ],
)
def test_what_is_too_long_by_far_is_a_matter_of_the_context_window(operation: Operation, param: str) -> None:
    """So that a route's `fallback.on: ContextWindow` finds a larger one."""
    refused = refusal(model(Facts(context_tokens=1_000)), operation=operation, content="word " * 10_000)
    assert refused is not None
    assert (refused.kind, refused.param) == (Kind.CONTEXT_LENGTH, param)


@pytest.mark.parametrize("operation", [Operation.EMBEDDINGS, Operation.RERANK])
def test_texts_that_are_taken_one_by_one_are_no_matter_of_it(operation: Operation) -> None:
    assert refusal(model(Facts(context_tokens=1_000)), operation=operation, content=["word " * 500] * 20) is None


def test_images_of_anthropic_s_form_are_no_tokens_either() -> None:
    large = {**PNG, "source": {**PNG["source"], "data": "A" * 90_000}}  # type: ignore[dict-item]
    assert refusal(model(Facts(context_tokens=2_000)), operation=Operation.MESSAGES, content=[large]) is None


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
