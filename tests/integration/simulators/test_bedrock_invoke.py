"""InvokeModel and its stream by boto3: each family in its native body."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

TITAN = "amazon.titan-text-express-v1"
CLAUDE = "anthropic.claude-v2:1"
JURASSIC = "ai21.j2-ultra-v1"
JAMBA = "ai21.jamba-1-5-large-v1:0"
COMMAND = "cohere.command-text-v14"
COMMAND_R = "cohere.command-r-plus-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
LLAMA_2 = "meta.llama2-70b-chat-v1"
VISION = "us.meta.llama3-2-90b-instruct-v1:0"
IMPORTED = "arn:aws:bedrock:us-east-1:123456789012:imported-model/l1a2m3a4"
MISTRAL = "mistral.mistral-7b-instruct-v0:2"
MISTRAL_LARGE = "mistral.mistral-large-2407-v1:0"
DEEPSEEK = "us.deepseek.r1-v1:0"
NOVA = "amazon.nova-pro-v1:0"
GPT_OSS = "openai.gpt-oss-120b-1:0"

LLAMA_PROMPT = (
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n%s<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)


def bodies(said: str) -> dict[str, dict[str, Any]]:
    """The smallest body of each model that says so."""
    messages = [{"role": "user", "content": said}]
    return {
        TITAN: {"inputText": f"User: {said}\nBot:"},
        CLAUDE: {"prompt": f"\n\nHuman: {said}\n\nAssistant:", "max_tokens_to_sample": 300},
        JURASSIC: {"prompt": f"User: {said}\nAssistant:"},
        JAMBA: {"messages": messages},
        COMMAND: {"prompt": f"User: {said}\nChatbot:", "max_tokens": 300, "stream": True},
        COMMAND_R: {"message": said},
        LLAMA: {"prompt": LLAMA_PROMPT % said},
        LLAMA_2: {"prompt": f"<s>[INST] {said} [/INST]"},
        IMPORTED: {"prompt": LLAMA_PROMPT % said},
        MISTRAL: {"prompt": f"<s>[INST] {said} [/INST]"},
        MISTRAL_LARGE: {"messages": messages},
        DEEPSEEK: {"prompt": f"<｜begin▁of▁sentence｜><｜User｜>{said}<｜Assistant｜><think>\n"},
        NOVA: {"schemaVersion": "messages-v1", "messages": [{"role": "user", "content": [{"text": said}]}]},
        GPT_OSS: {"messages": messages},
    }


TEXT: dict[str, Callable[[Any], str]] = {
    TITAN: lambda answer: answer["results"][0]["outputText"],
    CLAUDE: lambda answer: answer["completion"],
    JURASSIC: lambda answer: answer["completions"][0]["data"]["text"],
    JAMBA: lambda answer: answer["choices"][0]["message"]["content"],
    COMMAND: lambda answer: answer["generations"][0]["text"],
    COMMAND_R: lambda answer: answer["text"],
    LLAMA: lambda answer: answer["generation"],
    LLAMA_2: lambda answer: answer["generation"],
    IMPORTED: lambda answer: answer["generation"],
    MISTRAL: lambda answer: answer["outputs"][0]["text"],
    MISTRAL_LARGE: lambda answer: answer["choices"][0]["message"]["content"],
    DEEPSEEK: lambda answer: answer["choices"][0]["text"],
    NOVA: lambda answer: answer["output"]["message"]["content"][0]["text"],
    GPT_OSS: lambda answer: answer["choices"][0]["message"]["content"],
}
PIECE: dict[str, Callable[[Any], str]] = {
    TITAN: lambda said: said["outputText"],
    CLAUDE: lambda said: said["completion"],
    JAMBA: lambda said: "".join(choice["delta"].get("content") or "" for choice in said["choices"]),
    COMMAND: lambda said: said.get("text", ""),
    COMMAND_R: lambda said: said.get("text", ""),
    LLAMA: lambda said: said["generation"],
    LLAMA_2: lambda said: said["generation"],
    IMPORTED: lambda said: said["generation"],
    MISTRAL: lambda said: said["outputs"][0]["text"],
    MISTRAL_LARGE: lambda said: "".join(choice["delta"].get("content") or "" for choice in said["choices"]),
    DEEPSEEK: lambda said: said["choices"][0]["text"],
    NOVA: lambda said: said.get("contentBlockDelta", {}).get("delta", {}).get("text", ""),
    GPT_OSS: lambda said: "".join(choice["delta"].get("content") or "" for choice in said["choices"]),
}


def invoked(bedrock: Any, model: str, body: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """The answer and its headers."""
    answer = bedrock.invoke_model(modelId=model, body=json.dumps(body))
    assert answer["contentType"] == "application/json"
    return json.loads(answer["body"].read()), answer["ResponseMetadata"]["HTTPHeaders"]


def streamed(bedrock: Any, model: str, body: Any) -> list[dict[str, Any]]:
    """The documents of a stream."""
    answer = bedrock.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))
    assert answer["contentType"] == "application/json"
    return [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]


@pytest.mark.parametrize("model", TEXT)
def test_a_family_answers_in_its_own_body_and_counts_in_headers(bedrock: Any, model: str) -> None:
    answer, headers = invoked(bedrock, model, bodies("Hello")[model])
    assert "You said: Hello (bedrock: model=" in TEXT[model](answer)
    assert "turns=1" in TEXT[model](answer)
    assert int(headers["x-amzn-bedrock-input-token-count"]) > 0
    assert int(headers["x-amzn-bedrock-output-token-count"]) > 0


@pytest.mark.parametrize("model", PIECE)
def test_a_stream_adds_up_to_the_answer_and_counts_in_its_last_document(bedrock: Any, model: str) -> None:
    body = bodies("Hello")[model]
    answer, headers = invoked(bedrock, model, body)
    documents = streamed(bedrock, model, body)
    assert "".join(PIECE[model](document) for document in documents) == TEXT[model](answer)
    metrics = documents[-1].pop("amazon-bedrock-invocationMetrics")
    assert str(metrics["outputTokenCount"]) == headers["x-amzn-bedrock-output-token-count"]
    assert all("amazon-bedrock-invocationMetrics" not in document for document in documents)


@pytest.mark.parametrize("model", TEXT)
def test_a_member_that_a_family_does_not_have_is_refused(bedrock: Any, model: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match=r"extraneous key \[colour\] is not permitted"):
        invoked(bedrock, model, {**bodies("Hello")[model], "colour": "red"})


@pytest.mark.parametrize(
    ("model", "changed", "message"),
    [
        (TITAN, {"textGenerationConfig": {"temperature": 2}}, "temperature: 2 is not less or equal to 1"),
        (CLAUDE, {"prompt": "Hello"}, "prompt must start with"),
        (CLAUDE, {"prompt": "\n\nHuman: Hello"}, "prompt must end with"),
        (CLAUDE, {"anthropic_version": "2023-06-01"}, "not a valid enum value"),
        (JURASSIC, {"maxTokens": 9_000}, "maxTokens: 9000 is not less or equal to 8191"),
        (JAMBA, {"messages": []}, "minimum item count"),
        (COMMAND, {"stop_sequences": [1]}, "stop_sequences: expected type: String"),
        (COMMAND_R, {"chat_history": [{"role": "SYSTEM", "message": "x"}]}, "SYSTEM is not a valid enum value"),
        (LLAMA, {"images": ["aGk="]}, r"extraneous key \[images\]"),
        (LLAMA, {"max_gen_len": 9_000}, "not less or equal to 8192"),
        (VISION, {"prompt": "x", "images": ["aGk="]}, "number of image tokens"),
        (MISTRAL, {"top_k": 500}, "top_k: 500"),
        (MISTRAL_LARGE, {"stop": ["x"]}, r"extraneous key \[stop\]"),
        (
            MISTRAL_LARGE,
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {
                        "role": "assistant",
                        "content": "",
                        "tool_calls": [{"id": "abcDEF123", "function": {"name": "f", "arguments": "{}"}}],
                    },
                    {"role": "tool", "tool_call_id": "abcDEF123", "content": "b"},
                    {"role": "user", "content": "c"},
                ]
            },
            "Unexpected role 'user' after role 'tool'",
        ),
        (DEEPSEEK, {"stop": [str(at) for at in range(11)]}, "stop: 11"),
        (NOVA, {"schemaVersion": "messages-v2"}, "not a valid enum value"),
        (NOVA, {"messages": [{"role": "assistant", "content": [{"text": "x"}]}]}, "user"),
        (GPT_OSS, {"reasoning_effort": "most"}, "not a valid enum value"),
        (GPT_OSS, {"messages": [{"role": "assistant", "content": "x"}]}, "last role"),
    ],
)
def test_what_a_family_does_not_take_is_refused(bedrock: Any, model: str, changed: Any, message: str) -> None:
    body = {**bodies("Hello").get(model, {}), **changed}
    with pytest.raises(botocore.exceptions.ClientError, match=message) as raised:
        invoked(bedrock, model, body)
    assert raised.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("model", [JURASSIC, COMMAND])
def test_converse_does_not_hold_a_conversation_with_a_completion_model(bedrock: Any, model: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="doesn't support the model"):
        bedrock.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "Hello"}]}])


def test_jurassic_does_not_stream(bedrock: Any) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="unsupported for streaming"):
        streamed(bedrock, JURASSIC, bodies("Hello")[JURASSIC])


def test_command_streams_only_what_is_asked_to_stream(bedrock: Any) -> None:
    body = bodies("Hello")[COMMAND]
    del body["stream"]
    (document,) = streamed(bedrock, COMMAND, body)
    assert document["generations"][0]["finish_reason"] == "COMPLETE"


@pytest.mark.parametrize(
    ("model", "setting"),
    [
        (TITAN, {"textGenerationConfig": {"maxTokenCount": 3}}),
        (CLAUDE, {"max_tokens_to_sample": 3}),
        (JURASSIC, {"maxTokens": 3}),
        (JAMBA, {"max_tokens": 3}),
        (COMMAND, {"max_tokens": 3}),
        (COMMAND_R, {"max_tokens": 3}),
        (LLAMA, {"max_gen_len": 3}),
        (MISTRAL, {"max_tokens": 3}),
        (MISTRAL_LARGE, {"max_tokens": 3}),
        (NOVA, {"inferenceConfig": {"maxTokens": 3}}),
        (GPT_OSS, {"max_completion_tokens": 3}),
    ],
)
def test_the_limit_cuts_the_answer(bedrock: Any, model: str, setting: Any) -> None:
    answer, headers = invoked(bedrock, model, {**bodies("simulate words=9")[model], **setting})
    assert TEXT[model](answer).strip() == "word1 word2 word3"
    assert headers["x-amzn-bedrock-output-token-count"] == "3"


def test_a_prompt_tells_of_turns_instructions_and_images(bedrock: Any) -> None:
    prompt = (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nOne<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nTwo<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\n<|image|>Three<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    answer, _ = invoked(bedrock, VISION, {"prompt": prompt, "images": ["aGk="]})
    assert answer["generation"] == f"You said: Three (bedrock: model={VISION} turns=3 system='Be brief.' images=1)"


@pytest.mark.parametrize("model", [JAMBA, MISTRAL_LARGE, GPT_OSS])
def test_tools_are_called_by_families_made_like_openais(bedrock: Any, model: str) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": parameters}}]
    said = 'call weather {"city": "Oslo"}'
    answer, _ = invoked(bedrock, model, {**bodies(said)[model], "tools": tools})
    (call,) = answer["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Oslo"}
    documents = streamed(bedrock, model, {**bodies(said)[model], "tools": tools})
    assert any("tool_calls" in choice["delta"] for document in documents for choice in document["choices"])


def test_tools_are_called_by_command_r_without_ids(bedrock: Any) -> None:
    tool = {
        "name": "weather",
        "description": "The weather",
        "parameter_definitions": {"city": {"type": "str", "description": "", "required": True}},
    }
    answer, _ = invoked(bedrock, COMMAND_R, {"message": 'call weather {"city": "Oslo"}', "tools": [tool]})
    assert answer["tool_calls"] == [{"name": "weather", "parameters": {"city": "Oslo"}}]
    result = {"call": answer["tool_calls"][0], "outputs": [{"text": "rain"}]}
    answer, _ = invoked(bedrock, COMMAND_R, {"message": "Weather?", "tools": [tool], "tool_results": [result]})
    assert answer["text"].startswith("The tools said: rain")


def test_reasoning_stands_in_the_text(bedrock: Any) -> None:
    answer, _ = invoked(bedrock, DEEPSEEK, bodies("Hello")[DEEPSEEK])
    thought, _, said = answer["choices"][0]["text"].partition("</think>")
    assert thought.strip() and said.startswith("\n\nYou said: Hello")
    answer, _ = invoked(bedrock, GPT_OSS, {**bodies("Hello")[GPT_OSS], "reasoning_effort": "low"})
    assert answer["choices"][0]["message"]["content"].startswith("<reasoning>The user")
