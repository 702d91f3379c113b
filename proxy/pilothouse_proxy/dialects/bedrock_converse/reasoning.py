"""An effort to the words that each family has for it."""

import itertools
from dataclasses import dataclass, field
from typing import Final

from pilothouse_proxy.dialects.bedrock_converse import refusal
from pilothouse_proxy.exchange import sealed
from pilothouse_proxy.exchange.capabilities import Capabilities, History, Reasoning
from pilothouse_proxy.exchange.parts import RedactedThinking, Thinking, ToolCall
from pilothouse_proxy.exchange.request import Request, Role

BUDGETS: Final = {"low": 2_048, "medium": 8_192, "high": 24_576}
"""Tokens of thinking that an effort is worth where a model wants a number, or room for it in the output limit."""
_MOST: Final = 49_152
"""The same for the efforts above high."""

LEAST_BUDGET: Final = 1_024
"""The least that Anthropic's models take; and what is left for the answer at the least."""

REASONING_TOKENS: Final = "/usage/output_tokens_details"
"""Where Anthropic's models count their thinking apart: a JSON pointer into the model's own answer."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a request says about reasoning."""

    active: bool = False
    fields: dict[str, object] = field(default_factory=dict)
    """For additionalModelRequestFields."""
    effort: str | None = None
    """For outputConfig.effort."""
    room: int = 0
    """Tokens that thinking may take of the output limit."""
    response_paths: tuple[str, ...] = ()
    limits: bool = True
    """Whether an output limit may be sent."""


_NOTHING: Final = Asked()

_WITH_BUDGET: Final = frozenset({Reasoning.BUDGET, Reasoning.ADAPTIVE_UNTYPED})
"""Families that take a number of tokens as it is."""


def ask(request: Request, caps: Capabilities, limit: int | None) -> Asked:
    """What to send. `limit` is the output limit that the client or the manifest has set.

    Raises:
        GatewayError: UNSUPPORTED, the model does not have the effort; INVALID_REQUEST, it does not fit to the rest.
    """
    if request.thinking_tokens is not None:
        if caps.reasoning in _WITH_BUDGET:
            return _budget(request, caps, limit, request.thinking_tokens)
        effort = _effort(_nearest(request.thinking_tokens), caps)
    else:
        effort = _effort(request.effort, caps)
    if effort is None:
        return Asked(active=True, room=BUDGETS["medium"]) if caps.reasons_unasked else _NOTHING
    if effort == "none":
        return _switched_off(caps)
    if caps.reasoning is Reasoning.NOVA:
        return _nova(request, effort, caps)
    room = BUDGETS.get(effort, _MOST)
    if caps.reasoning is Reasoning.OBJECT:
        return Asked(active=True, fields={"reasoning": {"effort": effort}}, room=room)
    if caps.reasoning is Reasoning.FIELD:
        return Asked(active=True, fields={"reasoning_effort": effort}, room=room)
    return _claude(request, effort, caps, limit)


def _nearest(budget: int) -> str:
    """The effort that is worth about as many tokens."""
    efforts = list(BUDGETS)
    bounds = itertools.pairwise(BUDGETS.values())
    return efforts[sum(budget > (low + high) // 2 for low, high in bounds)]


def _effort(effort: str | None, caps: Capabilities) -> str | None:
    if effort == "none" and caps.reasoning is Reasoning.NONE:
        return None
    if effort == "minimal" and "low" in caps.efforts:
        return "low"
    if effort is None or effort in caps.efforts:
        return effort
    known = f"it takes {', '.join(caps.efforts)}" if caps.efforts else ""
    raise refusal.unsupported(caps, "reasoning_effort", known)


def _switched_off(caps: Capabilities) -> Asked:
    if caps.reasoning is Reasoning.OBJECT:
        return Asked(fields={"reasoning": {"effort": "none"}})
    return Asked(fields={"thinking": {"type": "disabled"}} if caps.reasons_unasked else {})


def _nova(request: Request, effort: str, caps: Capabilities) -> Asked:
    if effort == "high":
        for param, value in (
            ("max_completion_tokens", request.max_output_tokens),
            ("temperature", request.temperature),
            ("top_p", request.top_p),
        ):
            if value is not None:
                raise refusal.unsupported(caps, param, "not together with `reasoning_effort` high")
    return Asked(
        active=True,
        fields={"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort}},
        room=BUDGETS[effort],
        limits=effort != "high",
    )


def _claude(request: Request, effort: str, caps: Capabilities, limit: int | None) -> Asked:
    _refuse_temperature(request, caps)
    paths = (REASONING_TOKENS,)
    room = BUDGETS.get(effort, _MOST)
    adaptive: dict[str, object] = {"thinking": {"type": "adaptive"}}
    if caps.reasoning is Reasoning.ADAPTIVE:
        return Asked(active=True, fields=adaptive, effort=effort, room=room, response_paths=paths)
    if caps.reasoning is Reasoning.ADAPTIVE_UNTYPED:
        fields = adaptive | {"output_config": {"effort": effort}}
        return Asked(active=True, fields=fields, room=room, response_paths=paths)
    budget = room if limit is None else min(room, limit - LEAST_BUDGET)
    if budget < LEAST_BUDGET:
        raise refusal.invalid(
            "max_completion_tokens",
            f"with {caps.family} models, `reasoning_effort` needs `max_completion_tokens` above {2 * LEAST_BUDGET - 1}",
        )
    return _budget(request, caps, limit, budget)


def _budget(request: Request, caps: Capabilities, limit: int | None, budget: int) -> Asked:
    """With so many tokens to think. Of a budget that does not fit, Anthropic's API says the same."""
    _refuse_temperature(request, caps)
    _require_thinking_blocks(request, caps)
    if budget < LEAST_BUDGET:
        raise refusal.invalid(
            "reasoning_effort", f"`reasoning_effort`: a budget for thinking has at least {LEAST_BUDGET} tokens"
        )
    if limit is not None and budget >= limit:
        raise refusal.invalid(
            "max_completion_tokens", f"`max_completion_tokens` must be greater than the budget for thinking, {budget}"
        )
    return Asked(
        active=True,
        fields={"thinking": {"type": "enabled", "budget_tokens": budget}},
        room=budget,
        response_paths=(REASONING_TOKENS,),
    )


def _refuse_temperature(request: Request, caps: Capabilities) -> None:
    if request.temperature not in {None, 1}:
        raise refusal.unsupported(caps, "temperature", "not together with `reasoning_effort`")


def _require_thinking_blocks(request: Request, caps: Capabilities) -> None:
    """With a budget, a turn whose calls are being answered must open with the thinking that led to them."""
    if caps.history is not History.SIGNED:
        return
    for turn in reversed(request.turns):
        if turn.role is Role.USER:
            return  # a finished round: thinking of before may be missing
        if turn.role is Role.ASSISTANT and any(isinstance(part, ToolCall) for part in turn.parts):
            first = turn.parts[0]
            signed = (isinstance(first, RedactedThinking) and not sealed.is_sealed(first)) or (
                isinstance(first, Thinking) and first.signature is not None
            )
            if not signed:
                param = f"messages[{turn.at}].thinking_blocks"
                raise refusal.invalid(
                    param,
                    f"with `reasoning_effort`, {caps.family} models want the `thinking_blocks` of the answer that made "
                    "the tool calls: send them back with the message, or leave `reasoning_effort` out",
                )
