"""Neutral requests to bodies of chat completions."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.dialects.openai_chat.client import Client
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.parts import Image, ImageFormat, RemoteImage, Text, ToolCall, ToolResult
from pilothouse_proxy.exchange.request import (
    ParallelCalls,
    Request,
    Role,
    Schema,
    Strict,
    Tool,
    ToolChoice,
    ToolMode,
    Turn,
)
from pilothouse_proxy.operations import DialectName
from tests import sdk_bodies
from tests.golden import cases
from tests.unit.proxy.dialects.openai_chat.calls import HELLO, read_again, sent

CHAT = DialectName.OPENAI_CHAT
NORMALISED = {
    # Marks for caching are hints to providers that cache by themselves.
    "cache-breakpoints", "cache-in-tool-result", "cache-long-refused", "cache-longer-after-shorter",
    "cache-more-than-four", "cache-options-ttl", "cache-refused", "cache-too-long",
    # Reasoning stays behind where the model is not known to take it.
    "effort-with-thinking-history", "thinking-of-another-vendor-is-left-out",
    "thinking-signature-alone-and-redacted", "thinking-unsigned-goes-to-open-weight", "thinking-unsigned-is-left-out",
    "responses-model-reasoning-comes-back",
    # Of answers that are not stored.
    "metadata", "metadata-of-other-letters",
    "stop-list-with-empty", "stop-only-empty",
    # Said in another way.
    "tool-choice-allowed", "responses-model-tools", "tool-result-image-beside", "tool-result-image-inside",
    "tool-result-object-list-and-blank", "tools-long-foreign-names",
}  # fmt: skip
"""Cases whose request is not the same again, each of which has a test of its own below or in `test_turns`."""

WEATHER = Tool(name="get_weather", description="The weather now.", schema=msgspec.Raw(b'{"type":"object"}'))
TIME = Tool(name="get_time")


def neutral(case: str) -> Request | None:
    """A golden request in neutral words; None if it is refused before that."""
    document = {**cases.load("requests", CHAT, case), "upstream": "some-model", "family": None}
    try:
        return Client().decode_request(cases.call(CHAT, CHAT, document, cases.body_of(document)))
    except GatewayError:
        return None


@pytest.mark.parametrize("case", cases.inputs("requests", CHAT))
def test_every_golden_request_is_read_again_as_it_was(case: str) -> None:
    request = neutral(case)
    if request is None:
        return
    try:
        again = read_again(request)
    except GatewayError as error:
        assert error.kind is Kind.UNSUPPORTED
        assert error.param in {*request.others, "messages[1].content[0]"}
        return
    assert (again == request) == (case not in NORMALISED)


@pytest.mark.parametrize("model", ["some-model", "gpt-4o", "gpt-5.2", "o4-mini", "claude-on-a-router", "kimi-k2.5"])
def test_every_body_holds_to_the_types_of_the_sdk(model: str) -> None:
    checked = 0
    for case in cases.inputs("requests", CHAT):
        request = neutral(case)
        if request is None:
            continue
        try:
            body = sent(request, model, streams=True)
        except GatewayError as error:
            assert error.kind is Kind.UNSUPPORTED, case
            assert error.param, case
            continue
        sdk_bodies.chat_body(body)
        assert body["stream_options"] == {"include_usage": True}
        checked += 1
    assert checked > 90


TEXTS = st.builds(Text, text=st.text(max_size=20))
IMAGES = st.builds(Image, format=st.just(ImageFormat.PNG), base64=st.just("iVBORw0KGgo=")) | st.builds(
    RemoteImage, url=st.just("https://x.test/a.png"), detail=st.none() | st.sampled_from(["low", "high"])
)
CALLS = st.builds(
    ToolCall,
    id=st.text("abc_09", min_size=1, max_size=40),
    name=st.sampled_from(["get_weather", "get_time"]),
    arguments=st.just('{"a":1}'),
)
RESULTS = st.builds(
    ToolResult,
    call_id=st.text("abc_09", min_size=1, max_size=40),
    content=st.lists(TEXTS, min_size=1, max_size=2).map(tuple),
)


NAMES = st.none() | st.just("ann")


def turn(role: Role, parts: Any, name: Any = NAMES) -> Any:
    return st.builds(Turn, role=st.just(role), parts=parts.map(tuple), at=st.just(0), name=name)


TURNS = st.lists(
    turn(Role.SYSTEM, st.lists(TEXTS, min_size=1, max_size=2))
    | turn(Role.USER, st.lists(TEXTS | IMAGES, min_size=1, max_size=3))
    | turn(Role.ASSISTANT, st.tuples(TEXTS, CALLS) | st.tuples(CALLS) | st.tuples(TEXTS, TEXTS))
    | turn(Role.TOOL, st.tuples(RESULTS), st.none()),
    min_size=1,
    max_size=5,
).map(lambda turns: tuple(msgspec.structs.replace(turn, at=at) for at, turn in enumerate(turns)))
CHOICES = st.none() | st.sampled_from(
    [
        ToolChoice(mode=ToolMode.AUTO),
        ToolChoice(mode=ToolMode.NONE),
        ToolChoice(mode=ToolMode.ANY),
        ToolChoice(mode=ToolMode.NAMED, names=("get_time",)),
        ToolChoice(mode=ToolMode.AUTO, names=("get_time",)),
        ToolChoice(mode=ToolMode.ANY, names=("get_weather", "get_time")),
    ]
)
REQUESTS = st.builds(
    Request,
    turns=TURNS,
    tools=st.just((WEATHER, msgspec.structs.replace(TIME, strict=Strict.YES))),
    tool_choice=CHOICES,
    parallel_calls=st.sampled_from(ParallelCalls),
    max_output_tokens=st.none() | st.integers(1, 1_000_000),
    temperature=st.none() | st.just(1.0),
    stop=st.lists(st.text(min_size=1, max_size=4), max_size=4).map(tuple),
    effort=st.none() | st.sampled_from(["none", "low", "medium", "high"]),
    answer_schema=st.none() | st.just(Schema(name="a", description="d", schema=msgspec.Raw(b'{"type":"object"}'))),
    service_tier=st.none() | st.sampled_from(["default", "flex", "priority"]),
    others=st.dictionaries(st.sampled_from(["seed", "verbosity"]), st.just(msgspec.Raw(b"1"))),
)


@given(REQUESTS)
def test_any_request_is_read_again_as_it_was(request: Request) -> None:
    # A model that takes all there is.
    temperate = msgspec.structs.replace(request, temperature=None)
    assert read_again(temperate, "gpt-5.5") == temperate
    sdk_bodies.chat_body({**sent(temperate, "gpt-5.5"), "seed": 1, "verbosity": "low"})


@given(REQUESTS)
def test_equal_requests_give_equal_bytes(request: Request) -> None:
    again = msgspec.structs.replace(request)
    assert sent(request, "gpt-5.5") == sent(again, "gpt-5.5")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o", "max_completion_tokens"),
        ("o3", "max_completion_tokens"),
        ("gpt-9", "max_completion_tokens"),
        ("mistral-large-latest", "max_tokens"),
        ("gpt-oss-20b", "max_tokens"),
    ],
)
def test_the_output_limit_has_the_name_that_the_model_knows(model: str, name: str) -> None:
    body = sent(Request(turns=HELLO, max_output_tokens=9), model)
    assert body == {"model": model, "messages": [{"role": "user", "content": "Hello"}], name: 9}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("o4-mini", {"temperature": 0.2}, "temperature"),
    ("gpt-5", {"top_p": 0.5}, "top_p"),
    ("gpt-5.2", {"temperature": 0.2, "effort": "low"}, "temperature"),
    ("o3", {"stop": ("END",)}, "stop"),
    ("gpt-4o", {"stop": ("a", "b", "c", "d", "e")}, "stop"),
    ("gpt-5.2", {"stop": ("END",)}, "stop"),
    ("o4-mini", {"tools": (TIME,), "parallel_calls": ParallelCalls.FORBIDDEN}, "parallel_tool_calls"),
    ("o1-mini", {"tools": (TIME,)}, "tools"),
    ("gpt-4o", {"effort": "low"}, "reasoning_effort"),
    ("gpt-4o", {"thinking_tokens": 4_096}, "reasoning_effort"),
    ("gpt-5", {"effort": "none"}, "reasoning_effort"),
    ("gpt-5.1", {"effort": "xhigh"}, "reasoning_effort"),
    ("gpt-5-pro", {"effort": "low"}, "reasoning_effort"),
    ("gpt-4", {"answer_schema": Schema(name="a", schema=msgspec.Raw(b"{}"))}, "response_format"),
    ("gpt-5", {"others": {"logit_bias": msgspec.Raw(b'{"1":2}')}}, "logit_bias"),
    ("o3", {"others": {"presence_penalty": msgspec.Raw(b"1")}}, "presence_penalty"),
    ("gpt-4o", {"others": {"logprobs": msgspec.Raw(b"true")}}, "logprobs"),
    ("gpt-4o", {"others": {"n": msgspec.Raw(b"2")}}, "n"),
    ("gpt-4o", {"others": {"top_k": msgspec.Raw(b"5")}}, "top_k"),
    ("gpt-4o", {"others": {"container": msgspec.Raw(b'"x"')}}, "container"),
]


@pytest.mark.parametrize(("model", "wish", "param"), REFUSED)
def test_what_a_model_refuses_is_refused_by_name(model: str, wish: dict[str, Any], param: str) -> None:
    with pytest.raises(GatewayError) as refusal:
        sent(Request(turns=HELLO, **wish), model)
    assert refusal.value.kind is Kind.UNSUPPORTED
    assert refusal.value.param == param
    assert f"`{param}` is not supported by " in refusal.value.message


def test_instructions_to_a_model_without_them_are_refused() -> None:
    turns = (Turn(role=Role.SYSTEM, parts=(Text(text="Be kind."),), at=0), *HELLO)
    with pytest.raises(GatewayError) as refusal:
        sent(Request(turns=turns), "o1-preview")
    assert refusal.value.param == "messages[0].role"


SENT: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("o4-mini", {"temperature": 1.0, "top_p": 1.0}, {}),
    ("gpt-5.2", {"temperature": 0.2}, {"temperature": 0.2}),
    ("gpt-5.2", {"temperature": 0.2, "effort": "none"}, {"temperature": 0.2, "reasoning_effort": "none"}),
    ("gpt-4o", {"temperature": 1.7, "top_p": 0.5}, {"temperature": 1.7, "top_p": 0.5}),
    ("gpt-4o", {"stop": ("END", "")}, {"stop": ["END"]}),
    ("gpt-4o", {"effort": "none"}, {}),
    ("gpt-4o", {"thinking_tokens": 0}, {}),
    ("gpt-5.1", {"effort": "minimal"}, {"reasoning_effort": "low"}),
    ("gpt-5", {"effort": "minimal"}, {"reasoning_effort": "minimal"}),
    ("some-model", {"effort": "extreme"}, {"reasoning_effort": "extreme"}),
    ("some-model", {"others": {"top_k": msgspec.Raw(b"5")}}, {"top_k": 5}),
    ("gpt-4o", {"metadata": {"user_id": "u"}}, {}),
    (
        "gpt-4o",
        {"metadata": {"a": "b"}, "others": {"store": msgspec.Raw(b"true")}},
        {"store": True, "metadata": {"a": "b"}},
    ),
    (
        "gpt-4o",
        {"answer_schema": Schema(name="a", schema=msgspec.Raw(b"{}"))},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "strict": True}}},
    ),
    (
        "gpt-4o",
        {"others": {"response_format": msgspec.Raw(b'{"type":"json_object"}')}},
        {"response_format": {"type": "json_object"}},
    ),
]


@pytest.mark.parametrize(("model", "wish", "members"), SENT)
def test_what_a_model_takes_is_sent(model: str, wish: dict[str, Any], members: dict[str, Any]) -> None:
    body = sent(Request(turns=HELLO, **wish), model)
    assert {name: value for name, value in body.items() if name not in {"model", "messages"}} == members


@pytest.mark.parametrize(
    ("tokens", "model", "effort"),
    [
        (0, "gpt-5.2", "none"),
        (0, "gpt-5", "minimal"),
        (0, "o3", "low"),
        (100, "gpt-5.2", "low"),
        (1_024, "gpt-5.2", "low"),
        (1_024, "gpt-5", "minimal"),
        (1_024, "o3", "low"),
        (4_096, "gpt-5", "low"),
        (10_000, "gpt-5.2", "medium"),
        (60_000, "gpt-5.2", "high"),
        (1_024, "gpt-5-pro", "high"),
        (8_000, "some-model", "medium"),
    ],
)
def test_a_number_of_thinking_tokens_becomes_the_nearest_effort(tokens: int, model: str, effort: str) -> None:
    request = Request(turns=HELLO, thinking_tokens=tokens, effort="xhigh")
    assert sent(request, model)["reasoning_effort"] == effort


def test_a_choice_among_some_tools_offers_these_alone_where_it_cannot_be_put() -> None:
    request = Request(
        turns=HELLO, tools=(WEATHER, TIME), tool_choice=ToolChoice(mode=ToolMode.ANY, names=("get_time",))
    )
    body = sent(request, "gpt-4o")
    assert body["tool_choice"] == "required"
    assert body["tools"] == [{"type": "function", "function": {"name": "get_time"}}]
    put = sent(request, "gpt-5")["tool_choice"]
    named = {"type": "function", "function": {"name": "get_time"}}
    assert put == {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named]}}


def test_long_and_foreign_names_get_a_stand_in_everywhere() -> None:
    name, call_id = "mcp/" + "x" * 90, "toolu_" + "1" * 60
    request = Request(
        turns=(
            *HELLO,
            Turn(role=Role.ASSISTANT, parts=(ToolCall(id=call_id, name=name, arguments=""),), at=1),
            Turn(role=Role.TOOL, parts=(ToolResult(call_id=call_id, content=(Text(text="ok"),)),), at=2),
        ),
        tools=(Tool(name=name),),
        tool_choice=ToolChoice(mode=ToolMode.NAMED, names=(name,)),
    )
    body = sent(request, "gpt-4o")
    stand_in = body["tools"][0]["function"]["name"]
    assert len(stand_in) == 64
    called = body["messages"][1]["tool_calls"][0]
    assert called["function"] == {"name": stand_in, "arguments": "{}"}
    assert body["tool_choice"]["function"]["name"] == stand_in
    assert len(called["id"]) <= 40
    assert body["messages"][2]["tool_call_id"] == called["id"]
