"""An effort, or an allowance of tokens, to the words that each generation has for it."""

from dataclasses import dataclass

from pilothouse_proxy.anthropic import refusal
from pilothouse_proxy.exchange.capabilities import Capabilities, Reasoning
from pilothouse_proxy.exchange.parts import RedactedThinking, Thinking, ToolCall
from pilothouse_proxy.exchange.request import Request, Role

BUDGETS = {"low": 2_048, "medium": 8_192, "high": 24_576}
"""Tokens of thinking that an effort is worth where a model wants a number, or room for it in the output limit."""
_MOST = 49_152
"""The same for the efforts above high."""

LEAST_BUDGET = 1_024
"""The least that a budget may be; and what is left for the answer at the least."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a request says about reasoning."""

    active: bool = False
    thinking: dict[str, object] | None = None
    effort: str | None = None
    """For output_config."""
    room: int = 0
    """Tokens that thinking may take of the output limit."""


_NOTHING = Asked()


def ask(request: Request, caps: Capabilities, limit: int | None) -> Asked:
    """What to send. `limit` is the output limit that the client or the manifest has set.

    Raises:
        GatewayError: UNSUPPORTED, the model does not have the effort; INVALID_REQUEST, it does not fit to the rest.
    """
    effort = _effort(request, caps)
    if effort is None:
        return Asked(active=True, room=BUDGETS["medium"]) if caps.reasons_unasked else _NOTHING
    if effort == "none":
        return Asked(thinking={"type": "disabled"}) if caps.reasons_unasked else _NOTHING
    if request.temperature not in {None, 1}:
        raise refusal.unsupported(caps, "temperature", "not together with `reasoning_effort`")
    room = BUDGETS.get(effort, _MOST)
    if caps.reasoning is Reasoning.ADAPTIVE:
        return Asked(active=True, thinking={"type": "adaptive"}, effort=effort, room=room)
    return _budget(request, caps, request.thinking_tokens or room, limit)


def _effort(request: Request, caps: Capabilities) -> str | None:
    effort = request.effort
    if request.thinking_tokens is not None:
        effort = next((name for name, worth in BUDGETS.items() if request.thinking_tokens <= worth), "high")
    if effort == "none" and caps.reasoning is Reasoning.NONE:
        return None
    if effort == "minimal" and "low" in caps.efforts:
        return "low"
    if effort is None or effort in caps.efforts:
        return effort
    known = f"it takes {', '.join(caps.efforts)}" if caps.efforts else ""
    raise refusal.unsupported(caps, "reasoning_effort", known)


def _budget(request: Request, caps: Capabilities, room: int, limit: int | None) -> Asked:
    _require_thinking_blocks(request, caps)
    budget = room if limit is None else min(room, limit - LEAST_BUDGET)
    if budget < LEAST_BUDGET:
        raise refusal.invalid(
            "max_completion_tokens",
            f"with {caps.family} models, `reasoning_effort` needs `max_completion_tokens` above {2 * LEAST_BUDGET - 1}",
        )
    return Asked(active=True, thinking={"type": "enabled", "budget_tokens": budget}, room=budget)


def _require_thinking_blocks(request: Request, caps: Capabilities) -> None:
    """With a budget, a turn whose calls are being answered must open with the thinking that led to them."""
    for turn in reversed(request.turns):
        if turn.role is Role.USER:
            return  # a finished round: thinking of before may be missing
        if turn.role is Role.ASSISTANT and any(isinstance(part, ToolCall) for part in turn.parts):
            first = turn.parts[0]
            signed = isinstance(first, RedactedThinking) or (
                isinstance(first, Thinking) and first.signature is not None
            )
            if not signed:
                param = f"messages[{turn.at}].thinking_blocks"
                raise refusal.invalid(
                    param,
                    f"with `reasoning_effort`, {caps.family} models want the `thinking_blocks` of the answer that made "
                    "the tool calls: send them back with the message, or leave `reasoning_effort` out",
                )
