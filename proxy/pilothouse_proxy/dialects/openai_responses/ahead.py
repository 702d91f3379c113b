"""What a model is known to refuse of a body that passes as it is: said before it is sent; another target may do it."""

import re
from functools import lru_cache

import msgspec

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_responses.ask import reasons_of
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.members import sampled_by

_NEVER_REASONS = re.compile(r"(openai[/.])?(chatgpt-4o|gpt-[34])", re.IGNORECASE)
"""OpenAI's models before GPT-5 that are not of the o-series."""
_ALWAYS_REASONS = re.compile(r"(openai[/.])?(o[134]|gpt-5)(-(?!chat)|$)", re.IGNORECASE)
"""The o-series and GPT-5. From GPT-5.1 on, a model that is told no effort does not reason (Azure, on reasoning)."""


class _Asked(msgspec.Struct):
    effort: str | None = None


_asked = msgspec.json.Decoder(_Asked | None)


def check(call: Call) -> None:
    """Looks at few members, and decodes a small one.

    Raises:
        GatewayError: UNSUPPORTED that names the parameter.
    """
    sent = call.peek.members
    sampled = sampled_by(sent)
    if sampled and reasons_of(call.model):
        effort = _effort(sent.get("reasoning"))
        if effort != "none" and (effort is not None or _always_reasons(call.model.family or call.model.upstream)):
            raise _unsupported(sampled, "a model that reasons takes it with `reasoning.effort` none alone")
    asks = "reasoning" in sent and _effort(sent["reasoning"]) not in {None, "none"}
    if asks and _never_reasons(call.model.family or call.model.upstream):
        raise _unsupported("reasoning.effort", "this model does not reason")


def _effort(raw: msgspec.Raw | None) -> str | None:
    try:
        asked = None if raw is None else _asked.decode(raw)
    except ValueError:
        return None
    return None if asked is None else asked.effort


@lru_cache(maxsize=512)
def _always_reasons(name: str) -> bool:
    return _ALWAYS_REASONS.match(name) is not None


@lru_cache(maxsize=512)
def _never_reasons(name: str) -> bool:
    return _NEVER_REASONS.match(name) is not None


def _unsupported(param: str, hint: str) -> GatewayError:
    return GatewayError(Kind.UNSUPPORTED, f"`{param}` is not supported by this model: {hint}", param=param)
