"""What `fit` reads of a request: the kinds of its parts, and the form that is asked of the answer."""

import msgspec


class Source(msgspec.Struct):
    type: str = ""
    content: "str | list[Part] | None" = None


class Part(msgspec.Struct):
    """`source` is a document's, `content` that of a tool's result: a list where it is more than text."""

    type: str = ""
    source: Source | None = None
    content: "str | list[Part] | dict[str, msgspec.Raw] | None" = None


class Turn(msgspec.Struct):
    content: str | list[Part] | None = None


class Format(msgspec.Struct):
    type: str = ""


class Output(msgspec.Struct):
    format: Format | None = None
