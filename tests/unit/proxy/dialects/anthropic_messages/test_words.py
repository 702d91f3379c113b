import pytest

from pilothouse_proxy.dialects.anthropic_messages import decode, words
from pilothouse_proxy.errors import GatewayError, Kind
from tests.unit.proxy.dialects.anthropic_messages.calls import call

RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "x"}


TITLED = {
    "type": "document",
    "title": "Report",
    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"},
}
FOUR = {"role": "user", "content": [{"type": "text", "text": str(at)} for at in range(4)]}


@pytest.mark.parametrize(
    ("said", "own"),
    [
        ("max_completion_tokens", "max_tokens"),
        ("stop", "stop_sequences"),
        ("reasoning_effort", "output_config.effort"),
        ("response_format", "output_config.format"),
        ("parallel_tool_calls", "tool_choice.disable_parallel_tool_use"),
        ("tools[2].function.strict", "tools[2].strict"),
        ("tools[2].function.parameters", "tools[2].input_schema"),
        ("tools[2].function.name", "tools[2].name"),
        ("tools[2].prompt_cache_breakpoint.ttl", "tools[2].cache_control.ttl"),
        ("messages[0].content[3].image_url", "messages[0].content[3].source"),
        ("messages[0].content[3].image_url.url", "messages[0].content[3].source"),
        ("messages[0].content[3].file", "messages[0].content[3].source"),
        ("messages[0].content[3].prompt_cache_breakpoint", "messages[0].content[3].cache_control"),
        ("messages[0].tool_calls[1].function.arguments", "messages[0].content"),
        ("messages[0].tool_call_id", "messages[0].content"),
        ("messages[-1].content[2].prompt_cache_breakpoint", "system.cache_control"),
        ("messages[-1].role", "system"),
        ("temperature", "temperature"),
    ],
)
def test_each_name_is_the_client_s_own(said: str, own: str) -> None:
    asked = call({"messages": [FOUR]})
    asked.decoded = decode.decode(asked)
    told = words.own(GatewayError(Kind.UNSUPPORTED, f"`{said}` is not taken", param=said, retry_after_s=1), asked)
    assert (told.kind, told.message, told.param) == (Kind.UNSUPPORTED, f"`{own}` is not taken", own)
    assert told.retry_after_s == 1


def test_an_effort_that_was_asked_for_as_thinking_is_named_so() -> None:
    asked = call({"thinking": {"type": "adaptive"}})
    assert words.own(GatewayError(Kind.UNSUPPORTED, "no", param="reasoning_effort"), asked).param == "thinking"


@pytest.mark.parametrize("content", [[RESULT, {"type": "text", "text": "y"}], [RESULT], [TITLED]])
def test_no_block_is_named_by_the_number_of_another(content: list[object]) -> None:
    asked = call({"messages": [{"role": "user", "content": content}]})
    asked.decoded = decode.decode(asked)
    error = GatewayError(Kind.UNSUPPORTED, "no", param="messages[0].content[0].image_url")
    assert words.own(error, asked).param == "messages[0].content"
