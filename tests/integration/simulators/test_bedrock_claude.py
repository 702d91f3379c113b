"""Claude on Bedrock in its own language, by boto3 and by the Bedrock clients of the anthropic SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.lib.aws._auth import get_auth_headers
from anthropic.types import Message
from botocore.exceptions import ClientError, EventStreamError
from urllib3.exceptions import ProtocolError

from tests.golden import messages_model
from tests.simulators import credentials
from tests.simulators.bedrock.invoke import claude  # noqa: F401 -- loaded before a request waits for it
from tests.simulators.credentials import AccessKey
from tests.simulators.faults import Fault, Kind
from tests.simulators.fleet import Simulators
from tests.simulators.limits import Limit

OPUS = "us.anthropic.claude-opus-5-5"
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
FABLE = "us.anthropic.claude-fable-5-1"
MODELS = (OPUS, SONNET, HAIKU)
VERSION = "bedrock-2023-05-31"
HELLO: Any = [{"role": "user", "content": "Hello"}]
SMALL: Any = {"anthropic_version": VERSION, "max_tokens": 300, "messages": HELLO}
BUDGET: Any = {"type": "enabled", "budget_tokens": 1_024}
WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CALL: Any = [{"role": "user", "content": 'call get_weather {"city": "Oslo"}'}]
SIGNED: Any = {"aws_access_key": credentials.ACCESS_KEY_ID, "aws_secret_key": credentials.SECRET_ACCESS_KEY}
LONG: Any = [{"type": "text", "text": "Be brief. " * 800, "cache_control": {"type": "ephemeral"}}]
API_KEY = "ABSK-of-a-test-0123456789"


def invoke(bedrock: Any, body: Any, model: str = SONNET) -> tuple[dict[str, Any], dict[str, str]]:
    answer = bedrock.invoke_model(modelId=model, body=json.dumps(body))
    return json.loads(answer["body"].read()), answer["ResponseMetadata"]["HTTPHeaders"]


def events(bedrock: Any, body: Any, model: str = SONNET) -> list[dict[str, Any]]:
    stream = bedrock.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))["body"]
    return [json.loads(event["chunk"]["bytes"]) for event in stream]


@pytest.fixture
def sdk(simulators: Simulators) -> Iterator[anthropic.AnthropicBedrock]:
    with anthropic.AnthropicBedrock(
        base_url=simulators.bedrock_url, aws_region="us-east-1", max_retries=0, timeout=5, **SIGNED
    ) as client:
        yield client


@pytest.fixture
def mantle(simulators: Simulators) -> Iterator[anthropic.AnthropicBedrockMantle]:
    with anthropic.AnthropicBedrockMantle(
        base_url=f"{simulators.mantle_url}/anthropic", aws_region="us-east-1", max_retries=0, timeout=5, **SIGNED
    ) as client:
        yield client


def asked(client: Any, model: str, **more: Any) -> Message:
    """The answer; the models whose ids end in a version know Bedrock's version of the API alone."""
    body = {} if model == OPUS else {"extra_body": {"anthropic_version": VERSION}}
    message: Message = client.messages.create(
        **{"model": model, "max_tokens": 4_096, "messages": HELLO, **body, **more}
    )
    return message


def said(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


@pytest.mark.parametrize("model", MODELS)
def test_boto3_invokes_each_model(bedrock: Any, model: str) -> None:
    body, headers = invoke(bedrock, {**SMALL, "system": "Be brief."}, model)
    assert messages_model.problems_of_reply(body) == ""
    assert body["id"].startswith("msg_bdrk_")
    assert body["model"] == model.partition("anthropic.")[2].removesuffix("-v1:0")
    assert body["content"][-1]["text"].startswith(f"You said: Hello (bedrock: model={model} turns=1 system='Be brief.'")
    counts = {name: int(headers[f"x-amzn-bedrock-{name}-token-count"]) for name in ("input", "output")}
    assert counts == {name: body["usage"][f"{name}_tokens"] for name in counts}


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_is_the_answer_in_pieces_and_its_last_one_tells_the_counts(bedrock: Any, model: str) -> None:
    whole, _ = invoke(bedrock, SMALL, model)
    told = events(bedrock, SMALL, model)
    assert [told[0]["type"], told[-2]["type"], told[-1]["type"]] == ["message_start", "message_delta", "message_stop"]
    text = "".join(event["delta"].get("text", "") for event in told if event["type"] == "content_block_delta")
    assert text == whole["content"][-1]["text"].replace(whole["id"], told[0]["message"]["id"])
    metrics = told[-1]["amazon-bedrock-invocationMetrics"]
    usage = told[-2]["usage"]
    assert (metrics["inputTokenCount"], metrics["outputTokenCount"]) == (usage["input_tokens"], usage["output_tokens"])


def test_answers_have_ids_of_their_own(bedrock: Any) -> None:
    whole = {invoke(bedrock, SMALL)[0]["id"] for _ in range(2)}
    streamed = {events(bedrock, SMALL)[0]["message"]["id"] for _ in range(2)}
    assert len(whole | streamed) == 4


@pytest.mark.parametrize(
    ("model", "changed", "message"),
    [
        (SONNET, {"anthropic_version": None}, r"required key \[anthropic_version\] not found"),
        (SONNET, {"anthropic_version": "2026-10-21"}, "Invalid API version: 2026-10-21"),
        (OPUS, {"anthropic_version": "2023-06-01"}, "Invalid API version: 2023-06-01"),
        (SONNET, {"max_tokens": None}, r"#: required key \[max_tokens\] not found"),
        (SONNET, {"model": SONNET}, r"#: extraneous key \[model\] is not permitted"),
        (SONNET, {"stream": True}, r"#: extraneous key \[stream\] is not permitted"),
        (SONNET, {"anthropic_beta": ["surely-unknown-2020-01-01"]}, "invalid beta flag"),
        (SONNET, {"messages": []}, "at least one message is required"),
        (HAIKU, {"max_tokens": 5_000}, "5000 > 4096, which is the maximum allowed number of output tokens"),
        (HAIKU, {"thinking": BUDGET}, "`enabled` is not supported by claude-3-haiku-20240307"),
        (OPUS, {"temperature": 0.5}, "`temperature` is not supported by claude-opus-5-5"),
    ],
)
def test_what_does_not_fit_is_a_validation_exception(
    bedrock: Any, model: str, changed: dict[str, Any], message: str
) -> None:
    body = {name: value for name, value in {**SMALL, **changed}.items() if value is not None}
    for ask in (invoke, events):
        with pytest.raises(ClientError, match=message) as refused:
            ask(bedrock, body, model)
        assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_betas_stand_in_the_body(bedrock: Any) -> None:
    body = {**SMALL, "anthropic_beta": ["interleaved-thinking-2025-05-14"]}
    assert invoke(bedrock, body)[0]["stop_reason"] == "end_turn"


def test_newer_models_take_the_newer_version_too(bedrock: Any) -> None:
    body, _ = invoke(bedrock, {**SMALL, "anthropic_version": "2026-10-21"}, OPUS)
    assert body["stop_reason"] == "end_turn"


def test_caching_is_told_in_the_body_the_headers_and_the_metrics(bedrock: Any) -> None:
    body = {**SMALL, "system": LONG}
    first, headers = invoke(bedrock, body)
    written = first["usage"]["cache_creation_input_tokens"]
    assert written == int(headers["x-amzn-bedrock-cache-write-input-token-count"]) >= 1_024
    second, headers = invoke(bedrock, body)
    assert second["usage"]["cache_read_input_tokens"] == written
    assert headers["x-amzn-bedrock-cache-read-input-token-count"] == str(written)
    assert events(bedrock, body)[-1]["amazon-bedrock-invocationMetrics"]["cacheReadInputTokenCount"] == written


def test_output_counts_five_times_and_reads_from_the_cache_do_not(bedrock: Any, simulators: Simulators) -> None:
    body = {**SMALL, "system": LONG}
    invoke(bedrock, body)
    usage = invoke(bedrock, body)[0]["usage"]
    used = usage["input_tokens"] + 5 * usage["output_tokens"]
    reserved = usage["input_tokens"] + usage["cache_read_input_tokens"] + SMALL["max_tokens"]
    simulators.controls.limits.set(Limit(provider="bedrock", tpm=used + reserved))
    invoke(bedrock, body)
    invoke(bedrock, body)
    simulators.controls.limits.set(Limit(provider="bedrock", tpm=used + reserved - 1))
    invoke(bedrock, body)
    with pytest.raises(ClientError, match="Too many tokens"):
        invoke(bedrock, body)


def test_thinking_is_verified_when_it_comes_back(bedrock: Any) -> None:
    asks = {**SMALL, "max_tokens": 4_096, "thinking": BUDGET, "tools": [WEATHER], "messages": CALL}
    answer, _ = invoke(bedrock, asks)
    call = answer["content"][-1]
    assert [answer["content"][0]["type"], call["type"]] == ["thinking", "tool_use"]
    assert call["id"].startswith("toolu_bdrk_")
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": "rain"}]}
    turns = [*CALL, {"role": "assistant", "content": answer["content"]}, result]
    assert "rain" in invoke(bedrock, {**asks, "messages": turns})[0]["content"][-1]["text"]
    answer["content"][0]["signature"] = "bm90IG91cnM="
    with pytest.raises(ClientError, match="Invalid `signature` in `thinking` block"):
        invoke(bedrock, {**asks, "messages": turns})


@pytest.mark.parametrize("model", MODELS)
def test_the_anthropic_sdk_invokes_and_streams(sdk: anthropic.AnthropicBedrock, model: str) -> None:
    message = asked(sdk, model)
    assert said(message).startswith("You said: Hello (bedrock:")
    with sdk.messages.stream(
        model=model, max_tokens=4_096, messages=HELLO, extra_body={"anthropic_version": VERSION}
    ) as stream:
        together = stream.get_final_message()
    assert said(together) == said(message)
    assert together.usage.output_tokens == message.usage.output_tokens


def test_the_newest_sdk_is_refused_by_older_models_until_it_names_their_version(
    sdk: anthropic.AnthropicBedrock,
) -> None:
    with pytest.raises(anthropic.BadRequestError, match="Invalid API version: 2026-10-21"):
        sdk.messages.create(model=SONNET, max_tokens=100, messages=HELLO)
    assert sdk.messages.create(model=OPUS, max_tokens=100, messages=HELLO).stop_reason == "end_turn"


def test_the_anthropic_sdk_calls_tools(sdk: anthropic.AnthropicBedrock) -> None:
    message = asked(sdk, SONNET, messages=CALL, tools=[WEATHER])
    assert message.stop_reason == "tool_use"
    assert [block.input for block in message.content if block.type == "tool_use"] == [{"city": "Oslo"}]


def test_a_session_may_invoke_what_its_policy_allows(bedrock_with: Any, simulators: Simulators) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "bedrock:InvokeModel",
                "Resource": f"arn:aws:bedrock:us-east-1::foundation-model/{HAIKU}",
            }
        ],
    }
    key = AccessKey(access_key_id="ASIAPOLICY0000000001", secret_access_key="s" * 40, policy=json.dumps(policy))
    simulators.controls.keys.signing[key.access_key_id] = key
    client = bedrock_with(aws_access_key_id=key.access_key_id, aws_secret_access_key=key.secret_access_key)
    assert invoke(client, SMALL, HAIKU)[0]["stop_reason"] == "end_turn"
    for ask, model in ((events, HAIKU), (invoke, SONNET)):
        with pytest.raises(ClientError, match="no session policy allows") as refused:
            ask(client, SMALL, model)
        assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


@pytest.mark.parametrize(("kind", "error"), [(Kind.STREAM_EXCEPTION, EventStreamError), (Kind.CUT, ProtocolError)])
def test_streams_break_as_bedrocks_do(bedrock: Any, simulators: Simulators, kind: Kind, error: type[Exception]) -> None:
    simulators.controls.fail(Fault(kind=kind, operation="InvokeModelWithResponseStream", after_events=3))
    stream = bedrock.invoke_model_with_response_stream(modelId=SONNET, body=json.dumps(SMALL))["body"]
    seen: list[str] = []
    with pytest.raises(error):
        seen.extend(json.loads(event["chunk"]["bytes"])["type"] for event in stream)
    assert seen == ["message_start", "content_block_start", "content_block_delta"]


# Messages as a surface of its own.


@pytest.fixture(params=["signed", "keyed"])
def runtime(request: pytest.FixtureRequest, simulators: Simulators) -> Iterator[Any]:
    """On the runtime host, whose Bedrock client of the SDK goes to InvokeModel: the one of mantle, signing for it."""
    simulators.controls.keys.bedrock[API_KEY] = "test"
    url = f"{simulators.bedrock_url}/anthropic"
    keyed = anthropic.Anthropic(base_url=url, auth_token=API_KEY, api_key=None, max_retries=0, timeout=5)
    signed = RuntimeClient(base_url=url, aws_region="us-east-1", max_retries=0, timeout=5, **SIGNED)
    with keyed if request.param == "keyed" else signed as client:
        yield client


class RuntimeClient(anthropic.AnthropicBedrockMantle):
    """Signs for `bedrock` where the SDK signs for `bedrock-mantle`."""

    def _prepare_request(self, request: Any) -> None:
        request.headers.update(
            get_auth_headers(
                method=request.method,
                url=str(request.url),
                headers=request.headers,
                aws_access_key=self.aws_access_key,
                aws_secret_key=self.aws_secret_key,
                aws_session_token=None,
                region=self.aws_region,
                profile=None,
                data=request.read(),
                service_name="bedrock",
            )
        )


def test_messages_is_spoken_on_the_runtime_host(runtime: Any) -> None:
    message = runtime.messages.create(model=OPUS, max_tokens=4_096, messages=HELLO)
    assert messages_model.problems_of_reply(message.model_dump()) == ""
    assert said(message).startswith(f"You said: Hello (bedrock: model={OPUS}")
    with runtime.messages.stream(model=OPUS, max_tokens=4_096, messages=HELLO) as stream:
        assert said(stream.get_final_message()) == said(message)


def test_messages_is_spoken_on_mantle(mantle: anthropic.AnthropicBedrockMantle) -> None:
    message = mantle.messages.create(model=OPUS, max_tokens=4_096, messages=HELLO)
    assert said(message).startswith(f"You said: Hello (bedrock: model={OPUS}")
    with mantle.messages.stream(model=OPUS, max_tokens=4_096, messages=HELLO) as stream:
        assert said(stream.get_final_message()) == said(message)


def test_a_surface_knows_the_newer_models_alone(mantle: anthropic.AnthropicBedrockMantle, runtime: Any) -> None:
    for client in (mantle, runtime):
        with pytest.raises(anthropic.NotFoundError, match=f"model: {SONNET}"):
            client.messages.create(model=SONNET, max_tokens=100, messages=HELLO)
        with pytest.raises(anthropic.PermissionDeniedError, match="access to the model") as denied:
            client.messages.create(model=FABLE, max_tokens=100, messages=HELLO)
        assert denied.value.type == "permission_error"


def test_a_signature_is_good_for_one_host(simulators: Simulators) -> None:
    url = f"{simulators.bedrock_url}/anthropic"
    with (
        anthropic.AnthropicBedrockMantle(base_url=url, aws_region="us-east-1", max_retries=0, **SIGNED) as client,
        pytest.raises(anthropic.PermissionDeniedError) as refused,
    ):
        client.messages.create(model=OPUS, max_tokens=100, messages=HELLO)
    assert refused.value.type == "authentication_error"


def test_a_surface_refuses_in_anthropics_shape(runtime: Any, simulators: Simulators) -> None:
    with pytest.raises(anthropic.BadRequestError, match="temperature: Extra inputs") as refused:
        runtime.messages.create(model=OPUS, max_tokens=100, messages=HELLO, extra_body={"temperature": 1})
    assert refused.value.type == "invalid_request_error"
    simulators.controls.limits.set(Limit(provider="bedrock", rpm=1))
    runtime.messages.create(model=OPUS, max_tokens=100, messages=HELLO)
    with pytest.raises(anthropic.RateLimitError, match="Too many requests") as throttled:
        runtime.messages.create(model=OPUS, max_tokens=100, messages=HELLO)
    assert "retry-after" not in throttled.value.response.headers
