"""Converse by boto3: what it says, what it counts, what it repeats."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest

from tests.simulators.fleet import Simulators

CLAUDE = "anthropic.claude-opus-5-5"
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-pro-v1:0"
WEATHER = {
    "toolSpec": {
        "name": "get_weather",
        "description": "The weather of a city",
        "inputSchema": {
            "json": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
}
CLOCK = {"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object", "properties": {}}}}}


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"text": part} if isinstance(part, str) else part for part in content]}


def assistant(*content: Any) -> dict[str, Any]:
    return {**user(*content), "role": "assistant"}


def png() -> bytes:
    def piece(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = piece(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + piece(b"IDAT", zlib.compress(b"\0\0")) + piece(b"IEND", b"")


def text_of(answer: Any) -> str:
    return "".join(block["text"] for block in answer["output"]["message"]["content"] if "text" in block)


@pytest.mark.parametrize(
    "model",
    [
        CLAUDE,
        "us.anthropic.claude-opus-5-5",
        "global.anthropic.claude-opus-5-5",
        SONNET,
        NOVA,
        "us.meta.llama3-3-70b-instruct-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
        "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/p9q8r7s6t5u4",
    ],
)
def test_every_form_of_a_model_id_answers(bedrock: Any, model: str) -> None:
    answer = bedrock.converse(modelId=model, messages=[user("Hello")])
    assert answer["output"]["message"]["role"] == "assistant"
    assert text_of(answer) == f"You said: Hello (bedrock: model={model} turns=1)"


def test_the_answer_shows_what_arrived(bedrock: Any) -> None:
    answer = bedrock.converse(
        modelId=NOVA,
        system=[{"text": "Be brief."}],
        messages=[
            user("One"),
            assistant("Two"),
            user("Three", {"image": {"format": "png", "source": {"bytes": png()}}}),
        ],
        inferenceConfig={"maxTokens": 200, "temperature": 0.5, "topP": 0.9},
    )
    assert text_of(answer) == (
        f"You said: Three (bedrock: model={NOVA} turns=3 system='Be brief.' images=1 "
        "maxTokens=200 temperature=0.5 topP=0.9)"
    )


def test_usage_adds_up(bedrock: Any) -> None:
    usage = bedrock.converse(modelId=CLAUDE, messages=[user("Hello")])["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert (usage["cacheReadInputTokens"], usage["cacheWriteInputTokens"]) == (0, 0)


def test_max_tokens_cuts_the_answer(bedrock: Any) -> None:
    answer = bedrock.converse(modelId=CLAUDE, messages=[user("simulate words=50")], inferenceConfig={"maxTokens": 5})
    assert (answer["stopReason"], text_of(answer)) == ("max_tokens", "word1 word2 word3 word4 word5")
    assert answer["usage"]["outputTokens"] == 5


def test_a_stop_sequence_ends_the_answer_and_can_be_asked_for(bedrock: Any) -> None:
    answer = bedrock.converse(
        modelId=CLAUDE,
        messages=[user("simulate words=50")],
        inferenceConfig={"stopSequences": ["word4"]},
        additionalModelResponseFieldPaths=["/stop_sequence"],
    )
    assert (answer["stopReason"], text_of(answer)) == ("stop_sequence", "word1 word2 word3 ")
    assert answer["additionalModelResponseFields"] == {"stop_sequence": "word4"}


@pytest.mark.parametrize(
    "reason",
    [
        "guardrail_intervened",
        "content_filtered",
        "malformed_model_output",
        "malformed_tool_use",
        "model_context_window_exceeded",
        "a_reason_of_tomorrow",
    ],
)
def test_every_stop_reason_can_be_had(bedrock: Any, reason: str) -> None:
    answer = bedrock.converse(modelId=CLAUDE, messages=[user(f"simulate stop={reason}")])
    assert answer["stopReason"] == reason


def test_a_tool_is_called_when_the_prompt_asks_for_it(bedrock: Any) -> None:
    answer = bedrock.converse(
        modelId=CLAUDE,
        messages=[user('call get_weather {"city": "Oslo"}')],
        toolConfig={"tools": [WEATHER]},
    )
    (block,) = answer["output"]["message"]["content"]
    assert answer["stopReason"] == "tool_use"
    assert (block["toolUse"]["name"], block["toolUse"]["input"]) == ("get_weather", {"city": "Oslo"})


def test_several_calls_have_ids_of_their_own(bedrock: Any) -> None:
    answer = bedrock.converse(
        modelId=CLAUDE, messages=[user("call get_weather and call clock")], toolConfig={"tools": [WEATHER, CLOCK]}
    )
    uses = [block["toolUse"] for block in answer["output"]["message"]["content"]]
    assert [(use["name"], use["input"]) for use in uses] == [("get_weather", {"city": "value"}), ("clock", {})]
    assert len({use["toolUseId"] for use in uses}) == 2


def test_tool_results_come_back_as_text(bedrock: Any) -> None:
    first = bedrock.converse(modelId=CLAUDE, messages=[user("call clock")], toolConfig={"tools": [CLOCK]})
    message = first["output"]["message"]
    result = {"toolUseId": message["content"][0]["toolUse"]["toolUseId"], "content": [{"json": {"time": "noon"}}]}
    answer = bedrock.converse(
        modelId=CLAUDE,
        messages=[user("call clock"), message, user({"toolResult": result})],
        toolConfig={"tools": [CLOCK]},
    )
    assert text_of(answer).startswith('The tools said: {"time":"noon"} (')
    assert answer["stopReason"] == "end_turn"


@pytest.mark.parametrize(
    ("choice", "called"),
    [({"any": {}}, ["get_weather"]), ({"tool": {"name": "clock"}}, ["clock"]), ({"auto": {}}, [])],
)
def test_tool_choice_binds(bedrock: Any, choice: Any, called: list[str]) -> None:
    answer = bedrock.converse(
        modelId=SONNET,
        messages=[user("Hello")],
        toolConfig={"tools": [WEATHER, CLOCK], "toolChoice": choice},
    )
    content = answer["output"]["message"]["content"]
    assert [block["toolUse"]["name"] for block in content if "toolUse" in block] == called


def test_reasoning_comes_signed_and_first(bedrock: Any) -> None:
    answer = bedrock.converse(
        modelId=SONNET,
        messages=[user("Hello")],
        inferenceConfig={"maxTokens": 4000},
        additionalModelRequestFields={"thinking": {"type": "enabled", "budget_tokens": 1024}},
        additionalModelResponseFieldPaths=["/usage/output_tokens_details"],
    )
    first, second = answer["output"]["message"]["content"]
    reasoning = first["reasoningContent"]["reasoningText"]
    assert reasoning["text"] and reasoning["signature"] and second["text"]
    details = answer["additionalModelResponseFields"]["usage"]["output_tokens_details"]
    assert 0 < details["thinking_tokens"] < answer["usage"]["outputTokens"]
    again = bedrock.converse(
        modelId=SONNET, messages=[user("Hello"), {"role": "assistant", "content": [first, second]}, user("And?")]
    )
    assert again["stopReason"] == "end_turn"


def test_redacted_reasoning_is_bytes(bedrock: Any) -> None:
    answer = bedrock.converse(modelId=SONNET, messages=[user("simulate redacted")])
    assert isinstance(answer["output"]["message"]["content"][0]["reasoningContent"]["redactedContent"], bytes)


def test_a_cached_prefix_is_written_once_then_read(bedrock: Any) -> None:
    system = [{"text": "rule " * 2000}, {"cachePoint": {"type": "default"}}]

    def usage(text: str) -> Any:
        return bedrock.converse(modelId=SONNET, system=system, messages=[user(text)])["usage"]

    first, second = usage("One"), usage("Another")
    assert (first["cacheWriteInputTokens"], first["cacheReadInputTokens"]) == (2500, 0)
    assert first["cacheDetails"] == [{"ttl": "5m", "inputTokens": 2500}]
    assert (second["cacheWriteInputTokens"], second["cacheReadInputTokens"]) == (0, 2500)
    assert first["inputTokens"] < 100
    assert first["totalTokens"] == first["inputTokens"] + 2500 + first["outputTokens"]


def test_a_prefix_below_the_minimum_is_passed_over(bedrock: Any) -> None:
    system = [{"text": "rule"}, {"cachePoint": {"type": "default"}}]
    usage = bedrock.converse(modelId=SONNET, system=system, messages=[user("One")])["usage"]
    assert (usage["cacheWriteInputTokens"], usage["cacheReadInputTokens"]) == (0, 0)


def test_a_json_schema_is_answered_with_a_fitting_value(bedrock: Any) -> None:
    schema = '{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}'
    answer = bedrock.converse(
        modelId=SONNET,
        messages=[user("Hello")],
        outputConfig={
            "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema, "name": "x"}}}
        },
    )
    assert text_of(answer) == '{"n":1}'


def test_settings_are_repeated(bedrock: Any) -> None:
    answer = bedrock.converse(
        modelId=NOVA,
        messages=[user("Hello")],
        serviceTier={"type": "priority"},
        performanceConfig={"latency": "optimized"},
    )
    assert answer["serviceTier"] == {"type": "priority"}
    assert answer["performanceConfig"] == {"latency": "optimized"}


def test_the_recorder_keeps_what_was_sent_without_secrets(simulators: Simulators, bedrock: Any) -> None:
    bedrock.converse(modelId=NOVA, messages=[user("Hello")], inferenceConfig={"maxTokens": 7})
    (record,) = simulators.controls.recorder.shown(provider="bedrock")
    assert record["target"] == "/model/amazon.nova-pro-v1%3A0/converse"
    assert record["body"]["inferenceConfig"] == {"maxTokens": 7}
    assert (record["model"], record["operation"], record["status"]) == (NOVA, "Converse", 200)
    assert (record["credential"], record["outcome"]) == ("AKIASIMULATOR0000001", "answered")
    authorization = dict(record["headers"])["authorization"]
    assert (
        authorization.endswith("Signature=[redacted]") and "SignedHeaders=content-type;host;x-amz-date" in authorization
    )
