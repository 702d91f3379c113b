"""What is read of requests and answers. A module of its own, because types are read from annotations at run time."""

import msgspec


class Document(msgspec.Struct):
    """Further members are the client's own: they are not ranked by, but come back with the document."""

    text: str


class BilledUnits(msgspec.Struct):
    # Cohere's schema has them as numbers with a fraction.
    search_units: float | None = None
    input_tokens: float | None = None


class Meta(msgspec.Struct):
    billed_units: BilledUnits | None = None


class WireUsage(msgspec.Struct):
    """Jina tells the total, vLLM and Infinity both."""

    prompt_tokens: int | None = None
    total_tokens: int | None = None


class Reply(msgspec.Struct):
    results: msgspec.Raw
    usage: WireUsage | None = None
    meta: Meta | None = None
