"""Encrypted reasoning on its way through other dialects: sealed as redacted thinking, and a reasoning item again.

Without a stored state the model wants its reasoning items back as they came (OpenAI's guide "Reasoning models",
"Keeping reasoning items in context"). They are bound to the account that made them.
"""

from collections.abc import Sequence

import msgspec

from pilothouse_proxy.dialects.openai_responses import views
from pilothouse_proxy.exchange import sealed
from pilothouse_proxy.exchange.parts import RedactedThinking, Thinking

_DIALECT = "openai.responses"
_sealed = msgspec.json.Decoder(views.Reasoning)


def parts(item: views.Item) -> list[Thinking | RedactedThinking]:
    """What a reasoning item shows, and what it hides."""
    found: list[Thinking | RedactedThinking] = []
    text = legible(item)
    if text:
        found.append(Thinking(text=text))
    if item.encrypted_content:
        found.append(hidden(item, item.encrypted_content))
    return found


def legible(item: views.Item) -> str:
    """Its text: the summary where there is one, else the reasoning itself."""
    summary = "\n\n".join(part.text for part in item.summary or ())
    return summary or "".join(part.text for part in item.content or () if part.type == "reasoning_text")


def hidden(item: views.Item, encrypted: str) -> RedactedThinking:
    """The item as it must come back."""
    summary = [part.text for part in item.summary or ()]
    return sealed.seal(
        {"dialect": _DIALECT, "id": item.id, "encrypted_content": encrypted, "summary": summary},
    )


def item(block: RedactedThinking) -> dict[str, object] | None:
    """The item again; None if it is another vendor's."""
    opened = sealed.opened(block)
    if opened is None:
        return None
    try:
        found = _sealed.decode(opened)
    except (ValueError, RecursionError):
        return None
    if found.dialect != _DIALECT:
        return None
    made: dict[str, object] = {"type": "reasoning", "summary": _summary(found.summary)}
    if found.id is not None:
        made["id"] = found.id
    made["encrypted_content"] = found.encrypted_content
    return made


def _summary(texts: Sequence[str]) -> list[dict[str, str]]:
    return [{"type": "summary_text", "text": text} for text in texts]
