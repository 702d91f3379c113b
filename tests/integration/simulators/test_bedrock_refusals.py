"""What Bedrock refuses: each case is sent by boto3 and earns the service's own exception."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
import pytest

from tests.integration.simulators.raw import post
from tests.integration.simulators.test_bedrock_converse import (
    CLAUDE,
    CLOCK,
    NOVA,
    SONNET,
    WEATHER,
    assistant,
    png,
    user,
)
from tests.integration.simulators.test_bedrock_sign_in import signed
from tests.simulators.fleet import Simulators

LLAMA = "meta.llama3-3-70b-instruct-v1:0"
MISTRAL = "mistral.mistral-7b-instruct-v0:2"
USE = {"toolUse": {"toolUseId": "t1", "name": "clock", "input": {}}}
RESULT = {"toolResult": {"toolUseId": "t1", "content": [{"text": "noon"}]}}
TOOLS = {"tools": [CLOCK]}
POINT = {"cachePoint": {"type": "default"}}


def document(name: str) -> dict[str, Any]:
    return {"document": {"format": "txt", "name": name, "source": {"bytes": b"text"}}}


def image(format_: str, raw: bytes) -> dict[str, Any]:
    return {"image": {"format": format_, "source": {"bytes": raw}}}


def refusal(call: Any, **request: Any) -> tuple[int, str, str]:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**{"modelId": CLAUDE, "messages": [user("Hello")], **request})
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


SEMANTICS: list[tuple[str, dict[str, Any], str]] = [
    ("first turn assistant", {"messages": [assistant("Hi"), user("Hello")]}, "must start with a user message"),
    ("no turns", {"messages": []}, "at least one message"),
    ("two user turns", {"messages": [user("a"), user("b")]}, "must alternate between user and assistant"),
    ("blank text", {"messages": [user(" \n")]}, "messages.0.content.0 is blank"),
    ("empty content", {"messages": [{"role": "user", "content": []}]}, "messages.0 is empty"),
    ("blank history", {"messages": [user("a"), assistant(""), user("b")]}, "messages.1.content.0 is blank"),
    ("blank system", {"system": [{"text": " "}]}, "system.0 is blank"),
    ("prefill refused", {"messages": [user("a"), assistant("b")]}, "does not support assistant message prefill"),
    (
        "prefill with trailing blank",
        {"modelId": SONNET, "messages": [user("a"), assistant("b ")]},
        "cannot end with trailing whitespace",
    ),
    (
        "system unknown to the model",
        {"modelId": MISTRAL, "system": [{"text": "x"}]},
        "doesn't support the system field",
    ),
    (
        "system turn unknown to the model",
        {
            "modelId": NOVA,
            "messages": [user("a"), {"role": "system", "content": [{"text": "x"}]}, assistant("b"), user("c")],
        },
        "takes no system turn",
    ),
    ("tools unknown to the model", {"modelId": MISTRAL, "toolConfig": TOOLS}, "doesn't support tool use"),
    ("image unknown to the model", {"modelId": LLAMA, "messages": [user("a", image("png", png()))]}, "the image field"),
    (
        "document unknown to the model",
        {"modelId": "amazon.nova-micro-v1:0", "messages": [user("a", document("d"))]},
        "the document field",
    ),
    (
        "tool use without toolConfig",
        {"messages": [user("a"), assistant(USE), user(RESULT)]},
        "toolConfig field must be defined",
    ),
    (
        "missing tool result",
        {"messages": [user("a"), assistant(USE), user("b")], "toolConfig": TOOLS},
        "Expected toolResult blocks at messages.2.content for the following Ids: t1",
    ),
    (
        "tool result without use",
        {"messages": [user(RESULT)], "toolConfig": TOOLS},
        "exceeds the number of toolUse blocks",
    ),
    (
        "tool use by the user",
        {"messages": [user(USE)], "toolConfig": TOOLS},
        "toolUse blocks are allowed in assistant messages only",
    ),
    (
        "ids used twice",
        {"messages": [user("a"), assistant(USE, USE), user(RESULT, RESULT)], "toolConfig": TOOLS},
        "ids must be unique",
    ),
    (
        "status unknown to the model",
        {
            "modelId": LLAMA,
            "messages": [user("a"), assistant(USE), user({"toolResult": {**RESULT["toolResult"], "status": "error"}})],
            "toolConfig": TOOLS,
        },
        "doesn't support the status field",
    ),
    ("tools named twice", {"toolConfig": {"tools": [CLOCK, CLOCK]}}, "Tool names must be unique"),
    (
        "tool schema that is no object",
        {"toolConfig": {"tools": [{"toolSpec": {"name": "x", "inputSchema": {"json": {"type": "string"}}}}]}},
        "toolSpec.inputSchema.json.type must be one of",
    ),
    (
        "forced tools unknown to the model",
        {"toolConfig": {**TOOLS, "toolChoice": {"any": {}}}},
        "does not support forced tool use",
    ),
    (
        "tool choice unknown to the model",
        {"modelId": LLAMA, "toolConfig": {**TOOLS, "toolChoice": {"any": {}}}},
        "doesn't support the toolConfig.toolChoice.any field",
    ),
    (
        "chosen tool not offered",
        {"modelId": SONNET, "toolConfig": {**TOOLS, "toolChoice": {"tool": {"name": "x"}}}},
        "is not among toolConfig.tools",
    ),
    (
        "forced tools while thinking",
        {
            "modelId": SONNET,
            "toolConfig": {**TOOLS, "toolChoice": {"any": {}}},
            "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        },
        "Thinking may not be enabled when tool_choice forces tool use",
    ),
    (
        "image of another format",
        {"messages": [user("a", image("jpeg", png()))]},
        "does not match the provided media type",
    ),
    (
        "image by the assistant",
        {"messages": [user("a"), assistant(image("png", png())), user("b")]},
        "image blocks are allowed in user messages only",
    ),
    ("too many images", {"messages": [user("a", *[image("png", png())] * 21)]}, "too many images: 21 > 20"),
    ("document without text", {"messages": [user(document("d"))]}, "Text field is required"),
    ("documents of one name", {"messages": [user("a", document("d"), document("d"))]}, "used more than once"),
    (
        "too many documents",
        {"messages": [user("a", *[document(f"d{n}") for n in range(6)])]},
        "too many documents: 6 > 5",
    ),
    (
        "more tokens than the model has",
        {"modelId": NOVA, "inferenceConfig": {"maxTokens": 10001}},
        "exceeds the model limit of 10000",
    ),
    (
        "fewer tokens than the model takes",
        {"modelId": "openai.gpt-oss-120b-1:0", "inferenceConfig": {"maxTokens": 15}},
        "at least 16",
    ),
    ("blank stop sequence", {"inferenceConfig": {"stopSequences": [" "]}}, "must contain non-whitespace"),
    ("temperature unknown to the model", {"inferenceConfig": {"temperature": 0.5}}, "`temperature` is not supported"),
    (
        "temperature and top_p",
        {"modelId": SONNET, "inferenceConfig": {"temperature": 0.5, "topP": 0.5}},
        "`temperature` and `top_p` cannot both be specified",
    ),
    (
        "thinking budget too small",
        {"modelId": SONNET, "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 100}}},
        "greater than or equal to 1024",
    ),
    (
        "thinking budget above the answer",
        {
            "modelId": SONNET,
            "inferenceConfig": {"maxTokens": 1024},
            "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        },
        "`max_tokens` must be greater than `thinking.budget_tokens`",
    ),
    (
        "thinking of another vendor",
        {"modelId": NOVA, "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
        "Extra inputs are not permitted",
    ),
    (
        "unknown model field",
        {"additionalModelRequestFields": {"prompt_cache_key": "x"}},
        "prompt_cache_key: Extra inputs",
    ),
    (
        "forged reasoning",
        {
            "modelId": SONNET,
            "messages": [
                user("a"),
                assistant({"reasoningContent": {"reasoningText": {"text": "mine", "signature": "bm8="}}}, "b"),
                user("c"),
            ],
        },
        "Invalid `signature` in `thinking` block",
    ),
    (
        "tool turn without its reasoning",
        {
            "modelId": SONNET,
            "messages": [user("a"), assistant(USE), user(RESULT)],
            "toolConfig": TOOLS,
            "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        },
        "Expected `thinking` or `redacted_thinking`, but found `toolUse`",
    ),
    ("cache point unknown to the model", {"modelId": LLAMA, "system": [{"text": "x"}, POINT]}, "prompt caching"),
    ("five cache points", {"messages": [user(*["x", POINT] * 5)]}, "A maximum of 4 blocks"),
    (
        "long cache point after a short one",
        {"system": [{"text": "x"}, POINT], "messages": [user("x", {"cachePoint": {"type": "default", "ttl": "1h"}})]},
        "must not come after a ttl='5m'",
    ),
    ("text too long", {"modelId": MISTRAL, "messages": [user("x" * 130_000)]}, "Input is too long for requested model"),
]


@pytest.mark.parametrize(("request_", "words"), [case[1:] for case in SEMANTICS], ids=[case[0] for case in SEMANTICS])
def test_what_means_nothing_is_a_validation_exception(bedrock: Any, request_: dict[str, Any], words: str) -> None:
    status, code, message = refusal(bedrock.converse, **request_)
    assert (status, code) == (400, "ValidationException")
    assert words in message


def test_tools_in_a_stream_are_refused_where_the_model_cannot(bedrock: Any) -> None:
    _, code, message = refusal(bedrock.converse_stream, modelId=LLAMA, toolConfig=TOOLS)
    assert (code, message) == ("ValidationException", "This model doesn't support tool use in streaming mode.")


@pytest.mark.parametrize(
    ("model", "status", "code", "words"),
    [
        ("anthropic.claude-nonexistent", 400, "ValidationException", "model identifier is invalid"),
        ("mars.anthropic.claude-opus-5-5", 400, "ValidationException", "model identifier is invalid"),
        (
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            400,
            "ValidationException",
            "with on-demand throughput isn’t supported",
        ),
        (
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/nobody",
            404,
            "ResourceNotFoundException",
            "could not be found",
        ),
        ("anthropic.claude-fable-5-1", 403, "AccessDeniedException", "don't have access to the model"),
    ],
)
def test_a_model_that_cannot_be_called_is_named(bedrock: Any, model: str, status: int, code: str, words: str) -> None:
    found = refusal(bedrock.converse, modelId=model)
    assert found[:2] == (status, code)
    assert words in found[2]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "Could not parse the request body"),
        (b'{"messages":[],"prompt":"x"}', "extraneous key [prompt]"),
        (b'{"messages":"x"}', "String at 'messages' can not be converted to a List"),
        (b'{"messages":[{"role":"user","content":[{"text":"a","json":{}}]}]}', "extraneous key [json]"),
        (b'{"messages":[{"role":"user","content":[{}]}]}', "exactly one member"),
        (b'{"messages":[{"role":"bot","content":[{"text":"a"}]}]}', "Member must satisfy enum value set"),
        (
            b'{"messages":[{"content":[{"text":"a"}]}]}',
            "'messages.0.role' failed to satisfy constraint: Member must not be null",
        ),
        (b'{"inferenceConfig":{"maxTokens":0}}', "'inferenceConfig.maxTokens' failed to satisfy constraint"),
        (b'{"inferenceConfig":{"maxTokens":1.5}}', "can not be converted to an Integer"),
        (b'{"inferenceConfig":{"temperature":2}}', "less than or equal to 1"),
        (b'{"inferenceConfig":{"temperature":true}}', "Boolean at 'inferenceConfig.temperature'"),
        (
            b'{"toolConfig":{"tools":[{"toolSpec":{"name":"a b","inputSchema":{"json":{}}}}]}}',
            "regular expression pattern: [a-zA-Z0-9_-]+",
        ),
        (
            b'{"messages":[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":"?"}}}]}]}',
            "is not valid base64",
        ),
        (
            b'{"requestMetadata":{' + b",".join(b'"k%d":"v"' % n for n in range(17)) + b"}}",
            "length less than or equal to 16",
        ),
    ],
)
def test_a_wrong_shape_is_refused_by_the_service_model(simulators: Simulators, body: bytes, words: str) -> None:
    target = f"/model/{CLAUDE}/converse"
    answer = post(simulators.bedrock_url, target, signed(target, body=body).headers, body)
    assert answer.status == 400
    assert answer.headers["x-amzn-errortype"] in ("ValidationException", "SerializationException")
    assert words in answer.json()["message"]


def test_problems_are_counted(simulators: Simulators) -> None:
    target, body = f"/model/{CLAUDE}/converse", b'{"inferenceConfig":{"maxTokens":0,"topP":2}}'
    answer = post(simulators.bedrock_url, target, signed(target, body=body).headers, body)
    assert answer.json()["message"].startswith("2 validation errors detected: ")


@pytest.mark.parametrize(
    "target", ["/", f"/model/{CLAUDE}/invoke-with-bidirectional-stream", f"/model/{CLAUDE}/x/converse", "/guardrail/x"]
)
def test_an_unknown_operation_is_refused(simulators: Simulators, target: str) -> None:
    answer = post(simulators.bedrock_url, target, {}, b"{}")
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (404, "UnknownOperationException")


def test_a_tool_that_fits_is_not_refused(bedrock: Any) -> None:
    answer = bedrock.converse(
        modelId=SONNET,
        messages=[user("a"), assistant("b", USE), user(RESULT, "and?")],
        toolConfig={"tools": [CLOCK, WEATHER], "toolChoice": {"auto": {}}},
    )
    assert answer["stopReason"] == "end_turn"
