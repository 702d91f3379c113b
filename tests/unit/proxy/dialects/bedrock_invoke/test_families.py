"""What depends on the model of a family, and what no golden case shows."""

from typing import Any

import pytest

from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.ports import DialectName as D
from tests.golden import cases
from tests.unit.proxy.dialects.bedrock_invoke.calls import sent

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
SYSTEM: dict[str, Any] = {"messages": [{"role": "system", "content": "Be brief."}, *HELLO["messages"]]}
PNG = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
PICTURE: dict[str, Any] = {
    "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}]
}
TOOL: dict[str, Any] = {"tools": [{"type": "function", "function": {"name": "clock"}}]}


@pytest.mark.parametrize(
    ("upstream", "family", "expected"),
    [
        ("meta.llama2-70b-chat-v1", None, "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHello [/INST]"),
        (
            "us.meta.llama3-3-70b-instruct-v1:0",
            None,
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        (
            "us.meta.llama4-scout-17b-instruct-v1:0",
            None,
            "<|begin_of_text|><|header_start|>system<|header_end|>\n\nBe brief.<|eot|>"
            "<|header_start|>user<|header_end|>\n\nHello<|eot|><|header_start|>assistant<|header_end|>\n\n",
        ),
        (
            "arn:aws:bedrock:us-east-1:1:imported-model/abc",
            "llama-2",
            "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHello [/INST]",
        ),
    ],
)
def test_llama_is_prompted_in_the_format_of_its_generation(upstream: str, family: str | None, expected: str) -> None:
    assert sent(D.BEDROCK_INVOKE_LLAMA, upstream, SYSTEM, family=family)["prompt"] == expected


@pytest.mark.parametrize(
    ("dialect", "upstream", "member", "most"),
    [
        (D.BEDROCK_INVOKE_LLAMA, "meta.llama3-8b-instruct-v1:0", "max_gen_len", 2_048),
        (D.BEDROCK_INVOKE_LLAMA, "meta.llama3-1-8b-instruct-v1:0", "max_gen_len", 8_192),
        (D.BEDROCK_INVOKE_MISTRAL, "mistral.mixtral-8x7b-instruct-v0:1", "max_tokens", 4_096),
        (D.BEDROCK_INVOKE_OPENAI, "qwen.qwen3-32b-v1:0", "max_tokens", 4_096),
        (D.BEDROCK_INVOKE_OPENAI, "openai.gpt-oss-20b-1:0", "max_completion_tokens", 4_096),
    ],
)
def test_a_modest_limit_is_sent_where_nobody_names_one(dialect: D, upstream: str, member: str, most: int) -> None:
    assert sent(dialect, upstream, HELLO)[member] == most


@pytest.mark.parametrize("dialect", cases.INVOKED)
def test_the_manifests_limit_goes_before_ours_and_the_clients_before_that(dialect: D) -> None:
    def limit(body: dict[str, Any]) -> Any:
        found = sent(dialect, cases.INVOKED[dialect], body, most=77)
        flat = {**found, **found.get("textGenerationConfig", {}), **found.get("inferenceConfig", {})}
        names = {
            "maxTokenCount",
            "maxTokens",
            "max_tokens",
            "max_tokens_to_sample",
            "max_gen_len",
            "max_completion_tokens",
        }
        (name,) = names & flat.keys()
        return flat[name]

    assert (limit(HELLO), limit({**HELLO, "max_tokens": 5})) == (77, 5)


@pytest.mark.parametrize(
    ("dialect", "upstream", "takes"),
    [
        (D.BEDROCK_INVOKE_LLAMA, "us.meta.llama3-2-11b-instruct-v1:0", True),
        (D.BEDROCK_INVOKE_LLAMA, "us.meta.llama4-maverick-17b-instruct-v1:0", True),
        (D.BEDROCK_INVOKE_LLAMA, "us.meta.llama3-2-3b-instruct-v1:0", False),
        (D.BEDROCK_INVOKE_MISTRAL_CHAT, "us.mistral.pixtral-large-2502-v1:0", True),
        (D.BEDROCK_INVOKE_MISTRAL_CHAT, "mistral.mistral-large-2407-v1:0", False),
        (D.BEDROCK_INVOKE_NOVA, "us.amazon.nova-lite-v1:0", True),
        (D.BEDROCK_INVOKE_NOVA, "amazon.nova-micro-v1:0", False),
        (D.BEDROCK_INVOKE_OPENAI, "qwen.qwen3-vl-235b-a22b", True),
        (D.BEDROCK_INVOKE_OPENAI, "openai.gpt-oss-120b-1:0", False),
    ],
)
def test_images_go_to_the_models_that_see(dialect: D, upstream: str, takes: bool) -> None:
    try:
        body = sent(dialect, upstream, PICTURE)
    except GatewayError as error:
        assert not takes
        assert (error.kind, error.param) == (Kind.UNSUPPORTED, "messages[0].content[0].image_url")
    else:
        assert takes and PNG.partition(",")[2] in str(body)


@pytest.mark.parametrize(
    ("upstream", "choice", "expected"),
    [
        ("deepseek.v3-v1:0", "required", "required"),
        ("zai.glm-4.7", {"type": "function", "function": {"name": "clock"}}, "required"),
        ("qwen.qwen3-32b-v1:0", "auto", None),
    ],
)
def test_a_call_is_demanded_of_the_open_weight_models_that_can(
    upstream: str, choice: Any, expected: str | None
) -> None:
    body = sent(D.BEDROCK_INVOKE_OPENAI, upstream, {**HELLO, **TOOL, "tool_choice": choice})
    assert body.get("tool_choice") == expected


def test_a_schema_for_the_answer_goes_to_the_open_weight_models_that_hold_to_it() -> None:
    asked = {"type": "json_schema", "json_schema": {"name": "city", "schema": {"type": "object"}}}
    body = sent(D.BEDROCK_INVOKE_OPENAI, "qwen.qwen3-32b-v1:0", {**HELLO, "response_format": asked})
    assert body["response_format"] == asked
    with pytest.raises(GatewayError) as refused:
        sent(D.BEDROCK_INVOKE_OPENAI, "openai.gpt-oss-120b-1:0", {**HELLO, "response_format": asked})
    assert (refused.value.kind, refused.value.param) == (Kind.UNSUPPORTED, "response_format")


def test_mistral_gets_ids_of_nine_letters_and_digits_the_same_in_call_and_result() -> None:
    call = {"id": "call_of_another_vendor", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    history = [
        *HELLO["messages"],
        {"role": "assistant", "tool_calls": [call, {**call, "id": "abcDEF123"}]},
        {"role": "tool", "tool_call_id": "call_of_another_vendor", "content": "noon"},
        {"role": "tool", "tool_call_id": "abcDEF123", "content": "noon"},
    ]
    body = sent(D.BEDROCK_INVOKE_MISTRAL_CHAT, "mistral.mistral-large-2407-v1:0", {"messages": history, **TOOL})
    asked = [call["id"] for call in body["messages"][1]["tool_calls"]]
    answered = [message["tool_call_id"] for message in body["messages"][2:]]
    assert asked == answered
    assert asked[1] == "abcDEF123" and len(asked[0]) == 9 and asked[0].isalnum()


def test_command_r_tells_of_earlier_rounds_in_words_and_of_the_open_ones_in_results() -> None:
    def called(id_: str) -> dict[str, Any]:
        return {"id": id_, "type": "function", "function": {"name": "clock", "arguments": '{"zone": "UTC"}'}}

    history = [
        {"role": "user", "content": "One"},
        {"role": "assistant", "tool_calls": [called("a")]},
        {"role": "tool", "tool_call_id": "a", "content": "1:00"},
        {"role": "assistant", "content": "It is one."},
        {"role": "user", "content": "Two"},
        {"role": "assistant", "tool_calls": [called("b")]},
        {"role": "tool", "tool_call_id": "b", "content": '{"time": "2:00"}'},
        {"role": "assistant", "tool_calls": [called("c")]},
        {"role": "tool", "tool_call_id": "c", "content": ""},
    ]
    body = sent(D.BEDROCK_INVOKE_COMMAND_R, "cohere.command-r-v1:0", {"messages": history, **TOOL})
    assert body["message"] == "Two"
    assert [turn["role"] for turn in body["chat_history"]] == ["USER", "CHATBOT", "USER", "CHATBOT"]
    assert "1:00" in body["chat_history"][2]["message"]
    call = {"name": "clock", "parameters": {"zone": "UTC"}}
    assert body["tool_results"] == [
        {"call": call, "outputs": [{"time": "2:00"}]},
        {"call": call, "outputs": [{"text": "(no output)"}]},
    ]


def test_nova_refuses_a_tool_name_that_it_could_not_take() -> None:
    tools = [{"type": "function", "function": {"name": "mcp/long name"}}]
    with pytest.raises(GatewayError) as refused:
        sent(D.BEDROCK_INVOKE_NOVA, "amazon.nova-pro-v1:0", {**HELLO, "tools": tools})
    assert (refused.value.kind, refused.value.param) == (Kind.UNSUPPORTED, "tools[0].function.name")


def test_two_equal_files_have_two_names() -> None:
    file = {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,aGVsbG8="}}
    content = [{"type": "text", "text": "Compare."}, file, file]
    body = sent(D.BEDROCK_INVOKE_NOVA, "amazon.nova-pro-v1:0", {"messages": [{"role": "user", "content": content}]})
    names = [block["document"]["name"] for block in body["messages"][0]["content"] if "document" in block]
    assert len(set(names)) == 2 and names[1] == f"{names[0]}-2"
