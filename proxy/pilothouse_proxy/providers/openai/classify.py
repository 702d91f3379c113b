"""Error answers of servers that speak the OpenAI API."""

from pilothouse_proxy import errors
from pilothouse_proxy.dialects.openai_chat import errors as documents
from pilothouse_proxy.http.messages import Headers


def classify(*, status: int, headers: Headers, body: bytes, now: float) -> errors.Failure:
    """What a non-2xx answer means."""
    document = documents.read(body)
    request_id = next((errors.visible_id(value) for key, value in headers if key == b"x-request-id"), None)
    return documents.failure(
        document,
        documents.kind(document, status=status),
        status=status,
        retry_after_s=errors.retry_after_s(headers, now=now),
        request_id=request_id,
    )
