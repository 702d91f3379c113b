"""Bedrock's error answers, in the three shapes that its APIs have.

Its own: `x-amzn-errortype: Name`, also with a tail (`Name:http://…`) or a namespace, else `__type` or `code` of the
body; the prose in the body. The APIs of OpenAI and Anthropic that it speaks answer as these do, `{"error": {…}}`, and
their prose is Bedrock's. Load balancers in between answer with HTML or with nothing: then only the status speaks.
"""

from dataclasses import replace

import msgspec

from pilothouse_proxy import errors
from pilothouse_proxy.dialects.openai_chat import errors as documents
from pilothouse_proxy.errors import Failure, Kind
from pilothouse_proxy.framing import exceptions
from pilothouse_proxy.http.messages import Headers

_IDS = (b"x-amzn-requestid", b"x-request-id", b"request-id")
_CLOCK_MARKERS = (b"signature expired", b"not yet current")
_TOLD_IN_PROSE = frozenset({Kind.INVALID_REQUEST, Kind.UPSTREAM_PERMISSION})
"""Kinds that the shapes of others have one code for, and Bedrock's prose several causes."""
_NO_ROUTE = "supported on this route"
_ROUTE_HINT = "the model is not served by this API; choose another `surface`"


def classify(*, status: int, headers: Headers, body: bytes, now: float) -> Failure:
    """What a non-2xx answer means. A signature that came too early or too late tells by how much: `skew_s`."""
    name = next((value for key, value in headers if key == b"x-amzn-errortype"), b"")
    request_id = next((errors.visible_id(value) for key, value in headers if key in _IDS), None)
    wait_s = errors.retry_after_s(headers, now=now)
    document = None if name else _other_shape(body)
    if document is not None:
        found = _of_others(document, status=status, wait_s=wait_s, request_id=request_id)
    else:
        found = exceptions.from_exception(
            name.decode("latin-1"), body, status=status, request_id=request_id, retry_after_s=wait_s
        )
    if found.kind is Kind.UPSTREAM_AUTH and any(marker in body.lower() for marker in _CLOCK_MARKERS):
        told_at = errors.told_at(headers)
        return found if told_at is None else replace(found, skew_s=told_at - now)
    return found


def _other_shape(body: bytes) -> documents.ErrorDocument | None:
    """The error of OpenAI's or Anthropic's shape; None if it is of neither."""
    try:
        decoded = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(decoded, dict) or not isinstance(decoded.get("error"), dict):
        return None
    return documents.read_object(decoded)


def _of_others(
    document: documents.ErrorDocument, *, status: int, wait_s: float | None, request_id: str | None
) -> Failure:
    name = document.code if exceptions.is_known(document.code) else ""
    kind = documents.kind(document, status=status)
    if document.type == "authentication_error":
        kind = Kind.UPSTREAM_AUTH
    if _NO_ROUTE in document.message:
        kind, hint = Kind.MISCONFIGURED, _ROUTE_HINT
        return documents.failure(document, kind, status=status, hint=hint, request_id=request_id)
    told = documents.failure(document, kind, status=status, retry_after_s=wait_s, request_id=request_id)
    if not name and kind not in _TOLD_IN_PROSE:
        return told
    payload = msgspec.json.encode({"message": document.message})
    prose = exceptions.from_exception(name, payload, status=status, request_id=request_id, retry_after_s=wait_s)
    return told if prose.kind is kind and not name else replace(prose, code=told.code)
