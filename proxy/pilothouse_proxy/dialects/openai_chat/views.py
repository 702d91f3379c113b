"""What is read of bodies that pass through: everything else in them is skipped, and lives on in the bytes.

A module of its own, because these types are read from their annotations at run time.
"""

import msgspec


class PromptTokensDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionTokensDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """`usage` of an answer or of the last chunk. Merely compatible servers leave out or null what they like."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None


class StreamOptions(msgspec.Struct):
    """Of a request."""

    include_usage: bool | None = None


class ReplyChoice(msgspec.Struct):
    finish_reason: str | None = None


class Reply(msgspec.Struct):
    """A whole answer."""

    choices: list[ReplyChoice]
    usage: WireUsage | None = None


class ChunkChoice(msgspec.Struct):
    # Chunks of Azure's asynchronous content filter have no delta, and some of them come after the finish reason.
    delta: dict[str, msgspec.Raw] | None = None
    text: str = ""
    """Of a legacy completion."""
    finish_reason: str | None = None


class Chunk(msgspec.Struct):
    """An event of a stream."""

    # Azure's first chunk has no choices but the prompt's filter results.
    choices: list[ChunkChoice] | None = None
    usage: WireUsage | None = None
    error: msgspec.Raw = msgspec.Raw(b"null")
