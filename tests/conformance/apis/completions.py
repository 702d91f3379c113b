"""OpenAI's legacy completions."""

from typing import Any

from openai.types import Completion

from pilothouse_proxy.framing import sse
from tests.conformance.contents import HELLO
from tests.conformance.features import Feature
from tests.conformance.said import Said

_MEMBERS: dict[Feature, dict[str, Any]] = {
    Feature.TEXT: {},
    Feature.STREAM: {"stream": True, "stream_options": {"include_usage": True}},
    Feature.SAMPLING: {"temperature": 0.5},
    Feature.STOP: {"stop": ["there"]},
}


def asks(feature: Feature, model: str) -> dict[str, Any] | None:
    """The body of a request."""
    if feature not in _MEMBERS:
        return None
    return {"model": model, "prompt": HELLO, "max_tokens": 2_000, **_MEMBERS[feature]}


def reads(body: bytes, streamed: bool) -> Said:
    """What it says."""
    if not streamed:
        whole = [Completion.model_validate_json(body)]
    else:
        events = [event.data for event in sse.Decoder().feed(body) if event.data]
        assert events[-1] == b"[DONE]"
        # The SDK's type knows no chunk that does not end the text.
        open_, ended = b'"finish_reason":null', b'"finish_reason":"stop"'
        whole = [
            Completion.model_validate_json(data.replace(b": ", b":").replace(open_, ended)) for data in events[:-1]
        ]
    texts = [choice.text for part in whole for choice in part.choices if choice.text]
    reasons = [choice.finish_reason for part in whole for choice in part.choices if choice.finish_reason]
    return Said(
        text="".join(texts),
        finish=str(reasons[-1]),
        tokens=max(part.usage.total_tokens if part.usage else 0 for part in whole),
        pieces=len(texts),
    )
