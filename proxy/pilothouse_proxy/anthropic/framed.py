"""What the streams of Messages have in common on both sides of the gateway, whatever frames their events."""

from collections.abc import Iterable

from pilothouse_proxy import errors
from pilothouse_proxy.errors import Failure
from pilothouse_proxy.http.messages import Headers

_REQUEST_IDS = (b"request-id", b"x-amzn-requestid", b"apim-request-id", b"x-request-id")
"""Anthropic's header, Bedrock's, and those of Microsoft's Foundry."""


def request_id(headers: Headers) -> str | None:
    """The provider's own, from the headers of an answer."""
    found = {key: value for key, value in headers if key in _REQUEST_IDS}
    return next((errors.visible_id(found[key]) for key in _REQUEST_IDS if key in found), None)


def event(name: str, data: bytes) -> bytes:
    """One server-sent event, as Anthropic's API writes it. `data` is JSON without a line break."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def error_event(failure: Failure, *, request_id: str) -> bytes:
    """The event that tells a client that its stream has failed."""
    return event(
        "error", errors.anthropic_body(failure.kind, failure.message, param=failure.param, request_id=request_id)
    )


def betas(header: bytes | None, named: Iterable[str] = ()) -> list[str]:
    """Those that the body names and those of the header `anthropic-beta`, each once."""
    listed = [*named, *(beta.strip() for beta in (header or b"").decode("ascii", "replace").split(","))]
    return list(dict.fromkeys(beta for beta in listed if beta))
