"""Calls of tools and their results, each beside the other: what every provider asks of a conversation."""

from typing import Final

from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.parts import Text, ToolCall, ToolResult
from pilothouse_proxy.exchange.request import Role, Turn

_ASSISTANT: Final = Role.ASSISTANT


class Pairing:
    """Each call of a turn is answered by a tool message before the assistant speaks again, as OpenAI has it too.

    Raises:
        GatewayError: INVALID_REQUEST that names the message.
    """

    def __init__(self) -> None:
        self._open: dict[str, int] = {}

    def see(self, turn: Turn) -> None:
        """The next turn, in order."""
        if turn.role is _ASSISTANT and turn.parts:
            self.close()
            self._open = {part.id: turn.at for part in turn.parts if isinstance(part, ToolCall)}
        for part in turn.parts:
            if type(part) is not Text and isinstance(part, ToolResult) and self._open.pop(part.call_id, None) is None:
                raise _invalid(
                    f"messages[{turn.at}].tool_call_id",
                    f"`messages[{turn.at}]`: the assistant message before it has no call `{part.call_id}` to answer",
                )

    def close(self) -> None:
        """No further answer can come."""
        if self._open:
            call, at = next(iter(self._open.items()))
            raise _invalid(
                f"messages[{at}].tool_calls",
                f"`messages[{at}]`: a tool message must answer each of its tool calls; `{call}` has none",
            )


def _invalid(param: str, message: str) -> GatewayError:
    return GatewayError(Kind.INVALID_REQUEST, message, param=param)
