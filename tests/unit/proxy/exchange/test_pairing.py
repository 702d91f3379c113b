import pytest

from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.pairing import Pairing
from pilothouse_proxy.exchange.parts import Part, Text, ToolCall, ToolResult
from pilothouse_proxy.exchange.request import Role, Turn

ASKS = (Role.ASSISTANT, ToolCall(id="a", name="f", arguments="{}"))
ANSWERS = (Role.USER, ToolResult(call_id="a", content=()))
SPEAKS = (Role.ASSISTANT, Text(text="Ahoy"))


def see(*said: tuple[Role, Part]) -> None:
    pairing = Pairing()
    for at, (role, part) in enumerate(said):
        pairing.see(Turn(role=role, parts=(part,), at=at))
    pairing.close()


def test_a_call_that_is_answered_before_the_assistant_speaks_again_is_well() -> None:
    see(ASKS, ANSWERS, SPEAKS)


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ((ASKS,), "messages[0].tool_calls"),
        ((ASKS, SPEAKS, ANSWERS), "messages[0].tool_calls"),
        ((ANSWERS,), "messages[0].tool_call_id"),
        ((ASKS, ANSWERS, ANSWERS), "messages[2].tool_call_id"),
    ],
    ids=["never answered", "answered too late", "never called", "answered twice"],
)
def test_a_call_without_an_answer_or_an_answer_without_a_call_is_refused(
    said: tuple[tuple[Role, Part], ...], param: str
) -> None:
    with pytest.raises(GatewayError) as refused:
        see(*said)
    assert (refused.value.kind, refused.value.param) == (Kind.INVALID_REQUEST, param)
