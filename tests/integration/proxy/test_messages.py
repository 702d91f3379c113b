"""Anthropic's unmodified SDK through a proxy to the simulated Bedrock.

Claude is asked as it is: through InvokeModel, or through Messages where that is spoken; the rest through Converse.
"""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.types import Message

from tests.integration.proxy.clouds import configuration
from tests.integration.proxy.configurations import KEY
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.process import Process, process
from tests.integration.proxy.test_clouds import png
from tests.simulators.bedrock.invoke import claude  # noqa: F401 -- loaded before a request waits for it
from tests.simulators.faults import Fault, Kind, Provider
from tests.simulators.fleet import Simulators

POOL_SIZES = itertools.count(64)
AS_IT_IS = {
    "claude": ("claude-3-haiku-20240307", "/model/anthropic.claude-3-haiku-20240307-v1%3A0/invoke"),
    "sonnet": ("claude-sonnet-4-5-20250929", "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke"),
    "opus": ("claude-opus-5-5", "/anthropic/v1/messages"),
}
TRANSLATED = {
    "nova": "/model/amazon.nova-pro-v1%3A0/converse",
    "sonnet-converse": "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
}
MODELS = (*AS_IT_IS, *TRANSLATED)
HELLO: Any = [{"role": "user", "content": "Hello there"}]
ASKED: Any = {"system": "Be brief.", "messages": HELLO, "max_tokens": 100}
WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
OLD = {"anthropic-version": "2023-06-01"}


@pytest.fixture(scope="module")
def control(simulators_thread: Simulators) -> Iterator[ControlServer]:
    with ControlServer(configuration(simulators_thread)) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(control: ControlServer) -> Iterator[Process]:
    with process(*control.flags) as running:
        running.event("configuration applied")
        yield running


@pytest.fixture
def forgiving(control: ControlServer, proxy: Process, simulators: Simulators) -> Iterator[None]:
    """What the test does to the targets is forgotten before and after it: their connections change in a detail."""
    control.wait_for_ack(control.publish(configuration(simulators, pool_size=next(POOL_SIZES))))
    yield
    control.wait_for_ack(control.publish(configuration(simulators, pool_size=next(POOL_SIZES))))


@pytest.fixture(scope="module")
def shared_client(proxy: Process) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=f"http://127.0.0.1:{proxy.port}", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def client(simulators: Simulators, shared_client: anthropic.Anthropic) -> anthropic.Anthropic:
    return shared_client


def text_of(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def comparable(message: Any) -> Any:
    found = message.to_dict(mode="json")
    found.pop("id")
    found["usage"] = {name: value for name, value in found["usage"].items() if value}
    return {name: value for name, value in found.items() if value is not None}


def targets(simulators: Simulators) -> list[str]:
    return [record.request.target.decode() for record in simulators.controls.recorder.records]


@pytest.mark.parametrize("model", MODELS)
def test_a_message(client: anthropic.Anthropic, model: str) -> None:
    message = client.messages.create(model=model, **ASKED)
    assert (message.role, message.type, message.stop_reason) == ("assistant", "message", "end_turn")
    assert "Hello there" in text_of(message)
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0
    assert message._request_id is not None


@pytest.mark.parametrize("model", AS_IT_IS)
def test_what_passes_as_it_is_tells_the_providers_names(
    client: anthropic.Anthropic, simulators: Simulators, model: str
) -> None:
    reported, target = AS_IT_IS[model]
    message = client.messages.create(model=model, **ASKED)
    assert (message.id.startswith("msg_bdrk_"), message.model) == (True, reported)
    assert targets(simulators) == [target]


@pytest.mark.parametrize("model", TRANSLATED)
def test_what_is_translated_tells_the_clients(client: anthropic.Anthropic, simulators: Simulators, model: str) -> None:
    message = client.messages.create(model=model, **ASKED)
    assert (message.id, message.model) == (f"msg_{message._request_id}", model)
    assert targets(simulators) == [TRANSLATED[model]]


@pytest.mark.parametrize("model", TRANSLATED)
def test_the_older_version_takes_sampling_parameters_and_the_newer_one_does_not(
    client: anthropic.Anthropic, model: str
) -> None:
    body = {"temperature": 0.5}
    assert client.messages.create(model=model, **ASKED, extra_headers=OLD, extra_body=body).content
    with pytest.raises(anthropic.BadRequestError, match="temperature"):
        client.messages.create(model=model, **ASKED, extra_body=body)


def test_invoke_model_has_a_version_of_its_own(client: anthropic.Anthropic) -> None:
    for headers in ({}, OLD):
        message = client.messages.create(
            model="claude", **ASKED, extra_headers=headers, extra_body={"temperature": 0.5}
        )
        assert "temperature=0.5" in text_of(message)


def test_messages_of_bedrock_has_the_version_that_the_client_names(
    client: anthropic.Anthropic, simulators: Simulators
) -> None:
    for headers in ({}, OLD):
        client.messages.create(model="opus", **ASKED, extra_headers=headers)
    sent = [record.request.header(b"anthropic-version") for record in simulators.controls.recorder.records]
    assert sent == [b"2026-10-21", b"2023-06-01"]


def test_betas_go_where_each_way_has_them(client: anthropic.Anthropic, simulators: Simulators) -> None:
    betas = {"anthropic-beta": "interleaved-thinking-2025-05-14,context-1m-2025-08-07"}
    client.messages.create(model="sonnet", **ASKED, extra_headers=betas)
    client.messages.create(model="opus", **ASKED, extra_headers=betas)
    invoked, passed = (record.request for record in simulators.controls.recorder.records)
    assert json.loads(invoked.body)["anthropic_beta"] == betas["anthropic-beta"].split(",")
    assert passed.header(b"anthropic-beta") == betas["anthropic-beta"].encode()


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_put_together_is_the_message(client: anthropic.Anthropic, model: str) -> None:
    whole = client.messages.create(model=model, **ASKED)
    with client.messages.stream(model=model, **ASKED) as stream:
        text = "".join(stream.text_stream)
        together = stream.get_final_message()
    assert text == text_of(whole)
    assert comparable(together) == comparable(whole)


async def test_the_asynchronous_client(proxy: Process, simulators: Simulators) -> None:
    url = f"http://127.0.0.1:{proxy.port}"
    async with anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0) as client:
        async with client.messages.stream(model="claude", **ASKED) as stream:
            text = "".join([piece async for piece in stream.text_stream])
        message = await client.messages.create(model="claude", **ASKED)
    assert text == text_of(message)


@pytest.mark.parametrize("model", MODELS)
def test_tools_and_their_results(client: anthropic.Anthropic, model: str) -> None:
    question: Any = [{"role": "user", "content": 'call get_weather {"city": "Oslo"} get_weather {"city": "Bergen"}'}]
    first = client.messages.create(model=model, messages=question, tools=[WEATHER], max_tokens=200)
    assert first.stop_reason == "tool_use"
    calls = [block for block in first.content if block.type == "tool_use"]
    assert calls[0].input == {"city": "Oslo"}
    results: Any = [
        {"type": "tool_result", "tool_use_id": call.id, "content": f"rain at {at}", "is_error": at == 1}
        for at, call in enumerate(calls)
    ]
    answered: Any = [*question, first.to_param(), {"role": "user", "content": results}]
    second = client.messages.create(model=model, messages=answered, tools=[WEATHER], max_tokens=200)
    assert second.stop_reason == "end_turn"
    assert "rain at 0" in text_of(second)


@pytest.mark.parametrize("model", ["claude", "sonnet", "sonnet-converse"])
def test_streamed_calls_of_tools(client: anthropic.Anthropic, model: str) -> None:
    request: Any = {
        "model": model,
        "messages": [{"role": "user", "content": 'simulate preamble call get_weather {"city": "Oslo"}'}],
        "tools": [WEATHER],
        "max_tokens": 200,
    }
    with client.messages.stream(**request) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        together = stream.get_final_message()
    assert json.loads("".join(pieces)) == {"city": "Oslo"}
    assert [block.type for block in together.content] == ["text", "tool_use"]
    assert together.stop_reason == "tool_use"


@pytest.mark.parametrize("model", MODELS)
def test_a_picture_arrives(client: anthropic.Anthropic, model: str) -> None:
    data = png(8, 8).partition(",")[2]
    content: Any = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
        {"type": "text", "text": "What is this?"},
    ]
    message = client.messages.create(model=model, messages=[{"role": "user", "content": content}], max_tokens=100)
    assert "images=1" in text_of(message)


@pytest.mark.parametrize("model", ["sonnet", "sonnet-converse"])
@pytest.mark.parametrize("wish", ["reasoning", "redacted"])
def test_thinking_comes_signed_and_goes_back_as_it_came(client: anthropic.Anthropic, model: str, wish: str) -> None:
    asked: Any = {
        "model": model,
        "max_tokens": 4_096,
        "thinking": {"type": "enabled", "budget_tokens": 1_024},
        "tools": [WEATHER],
    }
    question: Any = [{"role": "user", "content": f'simulate {wish} call get_weather {{"city": "Oslo"}}'}]
    first = client.messages.create(messages=question, **asked)
    with client.messages.stream(messages=question, **asked) as stream:
        streamed = stream.get_final_message()
    assert streamed.content[0] == first.content[0]
    assert first.content[0].type in {"thinking", "redacted_thinking"}
    call = first.content[-1]
    assert call.type == "tool_use"
    result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": "rain"}
    answered: Any = [*question, first.to_param(), {"role": "user", "content": [result]}]
    assert "rain" in text_of(client.messages.create(messages=answered, **asked))


def test_the_list_of_models(client: anthropic.Anthropic) -> None:
    listed = [model.id for model in client.models.list(limit=2)]  # page after page
    assert {*MODELS, "gpt", "chat"} <= set(listed)
    assert listed == sorted(listed)
    info = client.models.retrieve("claude")
    assert (info.id, info.type, info.display_name, info.lifecycle) == ("claude", "model", "claude", "active")
    assert info.created_at.tzinfo is not None
    first = client.models.list(limit=3)
    assert [first.first_id, first.last_id, first.has_more] == [listed[0], listed[2], True]
    before = client.models.list(limit=2, before_id=listed[3])
    assert [model.id for model in before.data] == listed[1:3]
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("gpt-unknown")
    with pytest.raises(anthropic.BadRequestError, match="after_id"):
        client.models.list(after_id="gpt-unknown")


def test_tokens_are_counted_by_our_own_guess_which_says_so(client: anthropic.Anthropic) -> None:
    answer = client.messages.with_raw_response.count_tokens(model="claude", system="Be brief.", messages=HELLO)
    assert answer.headers["x-pilothouse-estimated"] == "true"
    few = answer.parse().input_tokens
    more = client.messages.count_tokens(
        model="claude", system="Be brief. " * 40, messages=HELLO, tools=[WEATHER]
    ).input_tokens
    assert 0 < few < more


def test_a_wrong_key_is_an_authentication_error(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.AuthenticationError, match="not known") as raised:
        client.with_options(api_key="wrong-key-0123456789").messages.create(model="claude", **ASKED)
    assert raised.value.type == "authentication_error"
    assert raised.value.request_id is not None
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["request_id"] == raised.value.request_id


def test_the_key_may_come_by_itself(client: anthropic.Anthropic) -> None:
    own: Any = {"x-api-key": KEY, "Authorization": anthropic.omit}
    assert client.messages.create(model="claude", **ASKED, extra_headers=own).content


def test_two_keys_that_differ_are_refused(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.AuthenticationError, match="not the same"):
        client.messages.create(model="claude", **ASKED, extra_headers={"x-api-key": "another-key-0123456789"})


def test_an_unknown_model_is_a_not_found_error(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as raised:
        client.messages.create(model="gpt-unknown", **ASKED)
    assert raised.value.type == "not_found_error"


def test_what_converse_cannot_do_is_refused_by_the_client_s_own_name(
    client: anthropic.Anthropic, simulators: Simulators
) -> None:
    tool: Any = {"type": "web_search_20260209", "name": "web_search"}
    with pytest.raises(anthropic.BadRequestError, match=r"tools\[0\].type"):
        client.messages.create(model="nova", tools=[tool], **ASKED)
    with pytest.raises(anthropic.BadRequestError, match=r"output_config\.effort"):
        client.messages.create(model="nova", output_config={"effort": "high"}, **ASKED)
    assert targets(simulators) == []


def test_what_claude_cannot_do_is_refused_in_its_own_words(client: anthropic.Anthropic) -> None:
    for model in ("claude", "sonnet"):
        with pytest.raises(
            anthropic.BadRequestError, match=r"output_config\.effort: `high` is not supported by claude-"
        ):
            client.messages.create(model=model, output_config={"effort": "high"}, **ASKED)
    with pytest.raises(anthropic.BadRequestError, match="`temperature` is not a parameter of version"):
        client.messages.create(model="opus", **ASKED, extra_body={"temperature": 0.5})


@pytest.mark.parametrize(
    ("fault", "error", "status", "attempts"),
    [
        (Fault(kind=Kind.THROTTLE, count=None), anthropic.RateLimitError, 429, 2),
        (
            Fault(kind=Kind.ERROR, name="ServiceUnavailableException", status=503, count=None),
            anthropic.OverloadedError,
            529,
            2,
        ),
        (
            Fault(kind=Kind.ERROR, name="ModelTimeoutException", status=408, count=None),
            anthropic.DeadlineExceededError,
            504,
            1,
        ),
        (Fault(kind=Kind.ERROR, name="ValidationException", status=400, count=None), anthropic.BadRequestError, 400, 1),
        (
            Fault(kind=Kind.ERROR, name="AccessDeniedException", status=403, count=None),
            anthropic.APIStatusError,
            502,
            1,
        ),
    ],
    ids=["throttled", "unavailable", "timeout", "invalid", "denied"],
)
@pytest.mark.usefixtures("forgiving")
def test_retries_of_the_sdk_never_multiply_ours(
    client: anthropic.Anthropic,
    simulators: Simulators,
    fault: Fault,
    error: type[anthropic.APIStatusError],
    status: int,
    attempts: int,
) -> None:
    simulators.controls.recorder.reset()
    simulators.controls.fail(fault)
    with pytest.raises(error) as raised:
        client.with_options(max_retries=2).messages.create(model="claude", **ASKED)
    assert raised.value.status_code == status
    assert len(simulators.controls.recorder.records) == attempts


@pytest.mark.usefixtures("forgiving")
@pytest.mark.parametrize("kind", [Kind.STREAM_EXCEPTION, Kind.CUT])
def test_a_stream_that_breaks_in_its_content_raises_in_the_sdk(
    client: anthropic.Anthropic, simulators: Simulators, kind: Kind
) -> None:
    simulators.controls.fail(Fault(kind=kind, provider=Provider.BEDROCK, after_events=4))
    text = ""
    with client.messages.stream(model="claude", **ASKED) as stream, pytest.raises(anthropic.APIStatusError) as raised:
        for piece in stream.text_stream:
            text += piece
    assert text
    assert raised.value.type in {"api_error", "overloaded_error"}
