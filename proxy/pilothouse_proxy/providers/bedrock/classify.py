"""Bedrock's error answers: the exception's name stands in a header or in the body, the prose in the body.

`x-amzn-errortype: Name`, also with a tail (`Name:http://…`) or a namespace; else `__type` or `code` of the body. Load
balancers in between answer with HTML or with nothing: then only the status speaks.
"""

from pilothouse_proxy import errors
from pilothouse_proxy.framing import exceptions
from pilothouse_proxy.http.messages import Headers


def classify(*, status: int, headers: Headers, body: bytes, now: float) -> errors.Failure:
    """What a non-2xx answer means."""
    name = b""
    request_id = None
    for key, value in headers:
        if key == b"x-amzn-errortype":
            name = value
        elif key == b"x-amzn-requestid":
            request_id = errors.visible_id(value)
    return exceptions.from_exception(
        name.decode("latin-1"),
        body,
        status=status,
        request_id=request_id,
        retry_after_s=errors.retry_after_s(headers, now=now),
    )
