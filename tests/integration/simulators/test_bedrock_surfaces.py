"""What Bedrock has beside a plain Converse: guardrails, counts, routers, the API of OpenAI; by the SDKs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from botocore.exceptions import ClientError
from openai.providers.bedrock import bedrock as bedrock_of

from tests.simulators import credentials
from tests.simulators.bedrock.guardrails import BLOCKED
from tests.simulators.fleet import Simulators

SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
HAIKU, NOVA = "anthropic.claude-3-haiku-20240307-v1:0", "amazon.nova-pro-v1:0"
ROUTER = "arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/amazon.nova:1"
GPT, GPT_OSS = "global.openai.gpt-5.6", "openai.gpt-oss-120b-1:0"
GUARDRAIL: Any = {"guardrailIdentifier": "gr1a2b3c4d5e", "guardrailVersion": "3", "trace": "enabled"}


def said(*texts: str) -> list[Any]:
    return [{"role": "user", "content": [{"text": text} for text in texts]}]


def text_of(answer: Any) -> str:
    return "".join(block["text"] for block in answer["output"]["message"]["content"] if "text" in block)


def test_a_guardrail_holds_a_prompt_back_before_the_model_is_asked(bedrock: Any) -> None:
    answer = bedrock.converse(modelId=NOVA, messages=said("something forbidden"), guardrailConfig=GUARDRAIL)
    assert (answer["stopReason"], text_of(answer)) == ("guardrail_intervened", BLOCKED)
    assert answer["usage"]["totalTokens"] == 0
    found = answer["trace"]["guardrail"]["inputAssessment"]["gr1a2b3c4d5e"]
    assert found["contentPolicy"]["filters"][0]["type"] == "HATE"


def test_a_guardrail_holds_an_answer_back_and_masks_another(bedrock: Any) -> None:
    blocked = bedrock.converse(modelId=NOVA, messages=said("say-violent"), guardrailConfig=GUARDRAIL)
    masked = bedrock.converse(modelId=NOVA, messages=said("mail me@example.com"), guardrailConfig=GUARDRAIL)
    assert text_of(blocked) == BLOCKED
    assert blocked["usage"]["inputTokens"] > 0
    assert "{EMAIL}" in text_of(masked)
    assert masked["stopReason"] == "end_turn"
    assessments = masked["trace"]["guardrail"]["outputAssessments"]["gr1a2b3c4d5e"]
    assert assessments[0]["sensitiveInformationPolicy"]["piiEntities"][0]["action"] == "ANONYMIZED"


def test_a_stream_is_judged_too(bedrock: Any) -> None:
    config = {**GUARDRAIL, "streamProcessingMode": "sync"}
    events = list(bedrock.converse_stream(modelId=NOVA, messages=said("forbidden"), guardrailConfig=config)["stream"])
    stop = next(event["messageStop"]["stopReason"] for event in events if "messageStop" in event)
    metadata = next(event["metadata"] for event in events if "metadata" in event)
    assert stop == "guardrail_intervened"
    assert "inputAssessment" in metadata["trace"]["guardrail"]


def test_a_guardrail_that_does_not_exist_is_refused(bedrock: Any) -> None:
    with pytest.raises(ClientError, match="guardrail identifier or version"):
        bedrock.converse(modelId=NOVA, messages=said("Hi"), guardrailConfig={**GUARDRAIL, "guardrailVersion": "9"})


def test_tokens_are_counted_as_an_answer_would_count_them(bedrock: Any) -> None:
    messages = said("Hello there, how many are we?")
    counted = bedrock.count_tokens(modelId=SONNET, input={"converse": {"messages": messages}})
    answer = bedrock.converse(modelId=f"us.{SONNET}", messages=messages)
    assert counted["inputTokens"] == answer["usage"]["inputTokens"]
    with pytest.raises(ClientError, match="identifier is invalid"):
        bedrock.count_tokens(modelId=f"us.{SONNET}", input={"converse": {"messages": messages}})
    with pytest.raises(ClientError, match="counting tokens"):
        bedrock.count_tokens(modelId=NOVA, input={"converse": {"messages": messages}})


def test_a_prompt_router_says_who_has_answered(bedrock: Any) -> None:
    answer = bedrock.converse(modelId=ROUTER, messages=said("Hi"))
    assert answer["trace"]["promptRouter"]["invokedModelId"].endswith(f"foundation-model/{NOVA}")


def test_latency_is_optimised_where_it_can_be(bedrock: Any) -> None:
    config = {"performanceConfig": {"latency": "optimized"}, "serviceTier": {"type": "flex"}}
    answer = bedrock.converse(modelId=NOVA, messages=said("Hi"), **config)
    assert {name: answer[name] for name in config} == config
    with pytest.raises(ClientError, match="performance configuration"):
        bedrock.converse(modelId=HAIKU, messages=said("Hi"), **config)


def client(url: str, *, endpoint: Any, **sign_in: Any) -> openai.OpenAI:
    provider = bedrock_of(endpoint=endpoint, region="us-east-1", base_url=url, **sign_in)
    return openai.OpenAI(provider=provider, max_retries=0)


SIGNED = {"access_key_id": credentials.ACCESS_KEY_ID, "secret_access_key": credentials.SECRET_ACCESS_KEY}


@pytest.fixture
def runtime(simulators: Simulators) -> Iterator[openai.OpenAI]:
    with client(f"{simulators.bedrock_url}/openai/v1", endpoint="runtime", **SIGNED) as made:
        yield made


def ask(sdk: openai.OpenAI, model: str, **more: Any) -> Any:
    return sdk.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}], **more)


def test_the_runtime_host_speaks_to_the_openai_sdk(runtime: openai.OpenAI) -> None:
    answer = ask(runtime, GPT)
    assert (answer.model, answer.choices[0].finish_reason) == (GPT, "stop")
    chunks = list(ask(runtime, GPT, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage.completion_tokens > 0


def test_gpt_oss_thinks_aloud_there(runtime: openai.OpenAI) -> None:
    assert ask(runtime, GPT_OSS).choices[0].message.content.startswith("<reasoning>")


@pytest.mark.parametrize(
    ("more", "param"),
    [({"n": 2}, "n"), ({"temperature": 0.5}, "temperature"), ({"logprobs": True}, "logprobs")],
)
def test_what_the_families_do_not_take_there_is_refused(runtime: openai.OpenAI, more: Any, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(runtime, GPT, **more)
    assert refused.value.param == param


def test_mantle_has_a_signing_name_of_its_own(simulators: Simulators) -> None:
    with client(f"{simulators.mantle_url}/v1", endpoint="mantle", **SIGNED) as sdk:
        assert ask(sdk, GPT_OSS).choices[0].finish_reason == "stop"
    with (
        client(f"{simulators.mantle_url}/v1", endpoint="runtime", **SIGNED) as sdk,
        pytest.raises(openai.PermissionDeniedError, match="correct service"),
    ):
        ask(sdk, GPT_OSS)


def test_mantle_serves_a_model_below_its_own_prefix_alone(simulators: Simulators) -> None:
    with (
        client(f"{simulators.mantle_url}/v1", endpoint="mantle", **SIGNED) as sdk,
        pytest.raises(openai.BadRequestError, match="isn't supported on this route"),
    ):
        ask(sdk, GPT)


def test_an_api_key_opens_both_hosts(simulators: Simulators) -> None:
    key = "ABSK-surfaces"
    simulators.controls.keys.bedrock[key] = "surfaces"
    for url, endpoint in (
        (f"{simulators.bedrock_url}/openai/v1", "runtime"),
        (f"{simulators.mantle_url}/v1", "mantle"),
    ):
        with client(url, endpoint=endpoint, api_key=key) as sdk:
            assert ask(sdk, GPT_OSS).choices[0].finish_reason == "stop"
