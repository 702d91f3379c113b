"""Neutral turns to the messages of chat completions."""

from typing import Any

from pilothouse_proxy.exchange.parts import (
    Audio,
    CacheMark,
    Document,
    Image,
    ImageFormat,
    Part,
    RedactedThinking,
    RemoteImage,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolStatus,
)
from pilothouse_proxy.exchange.request import Request, Role, Turn
from tests.unit.proxy.dialects.openai_chat.calls import sent

IMAGE = Image(format=ImageFormat.PNG, base64="iVBORw0KGgo=")
IMAGE_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def messages(*turns: tuple[Role, tuple[Part, ...]], model: str = "gpt-4o") -> Any:
    spoken = tuple(Turn(role=role, parts=parts, at=at) for at, (role, parts) in enumerate(turns))
    return sent(Request(turns=spoken), model)["messages"]


def calls(*ids: str) -> tuple[Role, tuple[Part, ...]]:
    return Role.ASSISTANT, tuple(ToolCall(id=id_, name="look", arguments='{"a":1}') for id_ in ids)


def result(id_: str, *content: Any, status: ToolStatus = ToolStatus.OK) -> ToolResult:
    return ToolResult(call_id=id_, content=content, status=status)


def test_text_alone_is_a_string_and_several_parts_a_list_without_marks() -> None:
    marked = Text(text="B", cache=CacheMark(ttl_minutes=60))
    assert messages((Role.SYSTEM, (Text(text="A"),)), (Role.USER, (Text(text="A"), marked, IMAGE))) == [
        {"role": "system", "content": "A"},
        {"role": "user", "content": [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}, IMAGE_PART]},
    ]


def test_media_are_sent_by_value_and_by_reference() -> None:
    parts: tuple[Part, ...] = (
        RemoteImage(url="https://x.test/a.png", detail="low"),
        Document(format="pdf", base64="JVBERi0=", digest="0123456789abcdef" * 4),
        Audio(format="wav", base64="UklGRg=="),
    )
    assert messages((Role.USER, parts))[0]["content"] == [
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
        {
            "type": "file",
            "file": {"filename": "0123456789abcdef.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
        },
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    ]


def test_calls_without_words_have_null_for_content() -> None:
    call = {"id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}
    assert messages(calls("t1")) == [{"role": "assistant", "content": None, "tool_calls": [call]}]


def test_results_are_tool_messages_in_order_and_their_images_follow_in_one_user_message() -> None:
    told = messages(
        calls("t1", "t2"),
        (Role.TOOL, (result("t1", Text(text="seen"), IMAGE),)),
        (Role.TOOL, (result("t2", IMAGE),)),
        (Role.USER, (Text(text="And?"),)),
    )
    assert told[1:] == [
        {"role": "tool", "tool_call_id": "t1", "content": "seen"},
        {"role": "tool", "tool_call_id": "t2", "content": "(see the next user message)"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Part of the result of tool call t1:"},
                IMAGE_PART,
                {"type": "text", "text": "Part of the result of tool call t2:"},
                IMAGE_PART,
            ],
        },
        {"role": "user", "content": "And?"},
    ]


def test_results_that_share_a_turn_with_words_come_first() -> None:
    told = messages(calls("t1", "t2"), (Role.USER, (result("t1", Text(text="1")), Text(text="So?"), result("t2"))))
    assert [(message["role"], message["content"]) for message in told[1:]] == [
        ("tool", "1"),
        ("tool", ""),
        ("user", "So?"),
    ]


def test_hoisted_images_at_the_end_are_not_lost() -> None:
    assert messages(calls("t1"), (Role.TOOL, (result("t1", IMAGE),)))[-1]["content"][1] == IMAGE_PART


def test_a_failed_result_says_so() -> None:
    for content, text in (((Text(text="no such city"),), "The tool failed: no such city"), ((), "The tool failed: ")):
        told = messages(calls("t1"), (Role.TOOL, (result("t1", *content, status=ToolStatus.FAILED),)))
        assert told[1]["content"] == text


THOUGHTS: tuple[Part, ...] = (
    Thinking(text="signed", signature="c2ln"),
    RedactedThinking(base64="cmVk"),
    Thinking(text="plain"),
    Text(text="Hi"),
)


def test_reasoning_goes_back_only_to_models_that_are_known_to_take_it() -> None:
    assert messages((Role.ASSISTANT, THOUGHTS)) == [{"role": "assistant", "content": "Hi"}]
    assert messages((Role.ASSISTANT, THOUGHTS), model="deepseek-reasoner") == [
        {"role": "assistant", "content": "Hi", "reasoning_content": "plain"}
    ]
    assert messages((Role.ASSISTANT, THOUGHTS), model="anthropic/claude-opus-5-5") == [
        {
            "role": "assistant",
            "content": "Hi",
            "thinking_blocks": [
                {"type": "thinking", "thinking": "signed", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "cmVk"},
            ],
        }
    ]


def test_participants_keep_their_names() -> None:
    turn = Turn(role=Role.USER, parts=(Text(text="Hi"),), at=0, name="ann")
    assert sent(Request(turns=(turn,)))["messages"] == [{"role": "user", "content": "Hi", "name": "ann"}]
