"""What is read of answers and chunks that are translated: everything, but members that say nothing.

What an answer can do without is `object`: a server that writes it in a form of its own breaks nothing.

A module of its own, because these types are read from their annotations at run time.
"""

import msgspec

from pilothouse_proxy.dialects.openai_chat.views import WireUsage

_ABSENT = msgspec.Raw(b"null")


class Choice(msgspec.Struct):
    """Of a whole answer."""

    message: dict[str, msgspec.Raw]
    index: int = 0
    finish_reason: str | None = None
    content_filter_results: object = None


class Completion(msgspec.Struct):
    """A whole answer."""

    choices: list[Choice]
    id: object = ""
    usage: WireUsage | None = None
    service_tier: object = None
    prompt_filter_results: object = None
    prompt_annotations: object = None


class ChunkChoice(msgspec.Struct):
    """Azure's asynchronous filter tells its results without a delta."""

    index: int = 0
    delta: dict[str, msgspec.Raw] | None = None
    finish_reason: str | None = None
    content_filter_results: object = None


class Chunk(msgspec.Struct):
    """An event of a stream. Azure's first one has no choices but the prompt's filter results."""

    id: object = ""
    choices: list[ChunkChoice] | None = None
    usage: WireUsage | None = None
    service_tier: object = None
    prompt_filter_results: object = None
    prompt_annotations: object = None
    error: msgspec.Raw = _ABSENT


class Called(msgspec.Struct):
    """The function of a call, or a piece of it."""

    name: str | None = None
    arguments: msgspec.Raw = _ABSENT


class Call(msgspec.Struct):
    """A call, or a piece of it. Compatible servers leave out what they like."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: Called | None = None


class Block(msgspec.Struct):
    """One of `thinking_blocks`."""

    type: str = ""
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class Piece(msgspec.Struct):
    """A part of content that came as a list: text, or a thought of Mistral's models."""

    type: str = ""
    text: str = ""
    thinking: "str | list[Piece] | None" = None


class WebPage(msgspec.Struct):
    url: str = ""
    title: str | None = None
    start_index: int = 0
    end_index: int = 0


class Annotation(msgspec.Struct):
    type: str = ""
    url_citation: WebPage | None = None
