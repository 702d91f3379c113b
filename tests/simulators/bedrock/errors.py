"""Errors as Bedrock runtime sends them.

https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html. The name stands in `x-amzn-errortype`,
sometimes with a URL behind a colon, sometimes in the body as `__type`; clients must read all of them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tests.simulators import answers
from tests.simulators.answers import Whole
from tests.simulators.bedrock import shapes
from tests.simulators.faults import Shape

_NAMESPACE: Final = "com.amazon.coral.service"
_URL: Final = "http://internal.amazon.com/coral/com.amazon.bedrock/"

# Errors of the front end, which the service model does not list.
_UNMODELLED: Final = {
    "ExpiredTokenException": 403,
    "IncompleteSignatureException": 403,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "UnrecognizedClientException": 403,
    "SerializationException": 400,
    "UnknownOperationException": 404,
}

_MESSAGES: Final = {
    "AccessDeniedException": "You don't have access to the model with the specified model ID.",
    "InternalServerException": "The system encountered an unexpected error during processing. Try your request again.",
    "ModelErrorException": "The system encountered an unexpected error while the model processed your request.",
    "ModelNotReadyException": "The model is not ready to serve inference requests. Try again in a few seconds.",
    "ModelStreamErrorException": "The system encountered an error while it streamed. Try your request again.",
    "ModelTimeoutException": "Model has timed out in processing the request. Try your request again.",
    "ResourceNotFoundException": "Could not resolve the foundation model from the provided model identifier.",
    "ServiceQuotaExceededException": "Your request exceeds the service quota for your account.",
    "ServiceUnavailableException": "The service is temporarily unavailable. Try your request again.",
    "ThrottlingException": "Too many requests, please wait before trying again.",
    "ValidationException": "The provided request is not valid.",
    "ExpiredTokenException": "The security token included in the request is expired",
}


def status_of(name: str) -> int:
    """The status of an exception by name; 500 for one that nobody knows."""
    return shapes.statuses().get(name) or _UNMODELLED.get(name, 500)


def message_of(name: str) -> str:
    return _MESSAGES.get(name, name)


def details(name: str, message: str) -> dict[str, Any]:
    """The payload's members: the model errors carry the status of the model behind."""
    payload: dict[str, Any] = {"message": message}
    if name in ("ModelErrorException", "ModelStreamErrorException"):
        payload["originalStatusCode"] = 500
        if name == "ModelStreamErrorException":
            payload["originalMessage"] = "model process ended"
    return payload


def answer(name: str, message: str | None = None, *, status: int | None = None, shape: Shape = Shape.HEADER) -> Whole:
    """The whole error answer."""
    payload = details(name, message_of(name) if message is None else message)
    headers = [("content-type", "application/json"), ("x-amzn-requestid", answers.REQUEST_ID)]
    if shape is Shape.BODY:
        payload = {"__type": f"{_NAMESPACE}#{name}", **payload}
    elif shape is Shape.HEADER_URL:
        headers.append(("x-amzn-errortype", f"{name}:{_URL}"))
    else:
        headers.append(("x-amzn-errortype", name))
    if shape is Shape.CAPITAL:
        payload["Message"] = payload.pop("message")
    return answers.whole(status or status_of(name), headers, msgspec.json.encode(payload))


def html(status: int) -> Whole:
    """What a load balancer says when nothing stands behind it."""
    body = f"<html><head><title>{status}</title></head><body><h1>{status} Service Unavailable</h1></body></html>\n"
    return answers.whole(status, [("content-type", "text/html")], body.encode())
