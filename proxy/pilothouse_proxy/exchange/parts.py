"""What turns and replies are made of."""

import enum

import msgspec


class CacheMark(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a prefix worth caching. `ttl_minutes` is the least lifetime asked for; None: the provider's own."""

    ttl_minutes: int | None = None


class Text(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    cache: CacheMark | None = None


class ImageFormat(enum.StrEnum):
    PNG = "png"
    JPEG = "jpeg"
    GIF = "gif"
    WEBP = "webp"


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image by value. `format` is what its bytes say."""

    format: ImageFormat
    base64: str
    detail: str | None = None
    cache: CacheMark | None = None


class RemoteImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image by reference: whoever serves the model has to fetch it."""

    url: str
    detail: str | None = None
    cache: CacheMark | None = None


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A file by value. `format` is a file name extension in lower case (`pdf`, `csv`, …)."""

    format: str
    base64: str
    digest: str
    """SHA-256 of the content, hexadecimal: a name that is the same whenever the content is."""
    cache: CacheMark | None = None


class Audio(msgspec.Struct, frozen=True, kw_only=True):
    """Sound by value. `format` as the client named it (`wav`, `mp3`)."""

    format: str
    base64: str
    cache: CacheMark | None = None


class Thinking(msgspec.Struct, frozen=True, kw_only=True):
    """Reasoning shown by a model. A signed one must go back as it came; its text may be empty then."""

    text: str
    signature: str | None = None


class RedactedThinking(msgspec.Struct, frozen=True, kw_only=True):
    """Reasoning that only its model can read: base64, to be sent back as it came."""

    base64: str


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A model's wish to have a tool called. `arguments` is the JSON text that the model wrote, possibly empty."""

    id: str
    name: str
    arguments: str
    cache: CacheMark | None = None


class ToolStatus(enum.Enum):
    """Whether the tool did what it was asked."""

    OK = "ok"
    FAILED = "failed"


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool answered to the call of the same id."""

    call_id: str
    content: "tuple[Text | Image | RemoteImage | Document, ...]"
    status: ToolStatus = ToolStatus.OK


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """A page on the web that the reply's text, from character `start` to `end`, rests on."""

    url: str
    title: str
    start: int
    end: int


Part = Text | Image | RemoteImage | Document | Audio | Thinking | RedactedThinking | ToolCall | ToolResult
