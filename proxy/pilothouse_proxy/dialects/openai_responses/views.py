"""What is read of answers: everything else in them is skipped. In its own module, because these types are read from
their annotations at run time.
"""

import msgspec


class InputTokensDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputTokensDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputTokensDetails | None = None
    output_tokens_details: OutputTokensDetails | None = None


class Error(msgspec.Struct):
    """Of a response that has failed, and of error events."""

    message: str | None = None
    code: str | int | None = None
    param: str | None = None
    type: str | None = None


class IncompleteDetails(msgspec.Struct):
    reason: str | None = None


class OutputItem(msgspec.Struct):
    type: str = ""


class Response(msgspec.Struct):
    """A response that passes: how it ended."""

    output: list[OutputItem]
    status: str | None = None
    error: Error | None = None
    incomplete_details: IncompleteDetails | None = None
    usage: WireUsage | None = None


class Ended(msgspec.Struct):
    """The last event of a stream that passes."""

    response: Response


class Failed(msgspec.Struct):
    """An error event: OpenAI's own has its members at the top, gateways before it nest them."""

    error: Error | str | None = None
    message: str | None = None
    code: str | int | None = None
    param: str | None = None


class Typed(msgspec.Struct):
    """An event without a name. Gateways in between tell errors in the shape of error answers, without a type."""

    type: str = ""
    error: msgspec.Raw = msgspec.Raw(b"null")


# Of an answer that is translated.


class Text(msgspec.Struct):
    text: str = ""


class Annotation(msgspec.Struct):
    type: str = ""
    url: str = ""
    title: str = ""
    start_index: int = 0
    end_index: int = 0


class Content(msgspec.Struct):
    type: str = ""
    text: str = ""
    refusal: str = ""
    annotations: list[Annotation] | None = None


class Item(msgspec.Struct):
    """An output item of any kind; members that its kind does not have are absent."""

    type: str = ""
    id: str | None = None
    content: list[Content] | None = None
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    summary: list[Text] | None = None
    encrypted_content: str | None = None


class Answer(msgspec.Struct):
    """A whole response."""

    output: list[Item]
    status: str | None = None
    error: Error | None = None
    incomplete_details: IncompleteDetails | None = None
    usage: WireUsage | None = None
    service_tier: str | None = None
    content_filters: object = None
    """Azure's."""


class Settled(msgspec.Struct):
    """response.completed, response.incomplete, response.failed."""

    response: Answer


class Piece(msgspec.Struct):
    """An event about one item; members that its kind does not have are absent."""

    output_index: int = 0
    summary_index: int = 0
    delta: str = ""
    text: str = ""
    arguments: str = ""
    refusal: str = ""
    item: Item | None = None


class Reasoning(msgspec.Struct):
    """A reasoning item as it is sealed for the way through other dialects. `dialect` says whose it is."""

    dialect: str
    encrypted_content: str
    id: str | None = None
    summary: list[str] = []
