"""Tokens of an answer: Bedrock's own count goes before the model's, for it is what is billed.

A whole answer has it in headers, a stream in `amazon-bedrock-invocationMetrics` of its last document. Both leave out of
the input what was read from and written to a cache; the exchange holds that within.
"""

import msgspec
from msgspec.structs import replace

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke import wire
from pilothouse_proxy.dialects.bedrock_invoke.said import Counts
from pilothouse_proxy.exchange import estimate
from pilothouse_proxy.exchange.parts import Text, Thinking, ToolCall
from pilothouse_proxy.exchange.reply import Reply, ReplyPart
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.http.messages import Headers

_measured = msgspec.json.Decoder(wire.Measured)

_INPUT = b"x-amzn-bedrock-input-token-count"
_OUTPUT = b"x-amzn-bedrock-output-token-count"
_CACHE_READ = b"x-amzn-bedrock-cache-read-input-token-count"
_CACHE_WRITE = b"x-amzn-bedrock-cache-write-input-token-count"
_COUNTED = frozenset({_INPUT, _OUTPUT, _CACHE_READ, _CACHE_WRITE})
_MAX_DIGITS = 15


def of_headers(headers: Headers) -> Counts | None:
    """Those of a whole answer; None: they do not tell."""
    told = {
        name: int(value)
        for name, value in headers
        if name in _COUNTED and value.isdigit() and len(value) <= _MAX_DIGITS
    }
    if _INPUT not in told or _OUTPUT not in told:
        return None
    return Counts(
        input_tokens=told[_INPUT],
        output_tokens=told[_OUTPUT],
        cache_read=told.get(_CACHE_READ, 0),
        cache_write=told.get(_CACHE_WRITE, 0),
    )


def of_document(document: bytes) -> Counts | None:
    """Those of a stream's document; None in all but the last."""
    if wire.METRICS not in document:
        return None
    metrics = _measured.decode(document).metrics
    if metrics is None or metrics.inputTokenCount is None or metrics.outputTokenCount is None:
        return None
    return Counts(
        input_tokens=metrics.inputTokenCount,
        output_tokens=metrics.outputTokenCount,
        cache_read=metrics.cacheReadInputTokenCount or 0,
        cache_write=metrics.cacheWriteInputTokenCount or 0,
    )


def told(counts: Counts | None) -> Usage:
    """What the model itself has told; marked as an estimate where that is not all."""
    known = counts or Counts()
    return Usage(
        input_tokens=(known.input_tokens or 0) + known.cache_read + known.cache_write,
        output_tokens=known.output_tokens or 0,
        cached_tokens=known.cache_read,
        cache_write_tokens=known.cache_write,
        reasoning_tokens=known.reasoning,
        estimated=known.input_tokens is None or known.output_tokens is None,
    )


def completed(call: Call, billed: Counts | None, usage: Usage, shown: int) -> Usage:
    """Bedrock's count where there is one, else the model's; what neither tells is estimated by what went either way.

    `shown` is how many characters the answer has.
    """
    if billed is not None:
        return replace(told(billed), reasoning_tokens=usage.reasoning_tokens)
    if not usage.estimated:
        return usage
    return replace(
        usage,
        input_tokens=usage.input_tokens or estimate.input_tokens(call.peek.members),
        output_tokens=usage.output_tokens or estimate.output_tokens(shown),
    )


def shown(reply: Reply) -> int:
    """The characters of a reply."""
    return sum(len(part.arguments if isinstance(part, ToolCall) else _text(part)) for part in reply.parts)


def _text(part: ReplyPart) -> str:
    return part.text if isinstance(part, Text | Thinking) else ""


def together(before: Counts | None, more: Counts | None) -> Counts | None:
    """What a stream's documents have told one after the other: the later word goes before the earlier."""
    if before is None or more is None:
        return more or before
    return Counts(
        input_tokens=before.input_tokens if more.input_tokens is None else more.input_tokens,
        output_tokens=before.output_tokens if more.output_tokens is None else more.output_tokens,
        cache_read=more.cache_read or before.cache_read,
        cache_write=more.cache_write or before.cache_write,
        reasoning=more.reasoning or before.reasoning,
    )
