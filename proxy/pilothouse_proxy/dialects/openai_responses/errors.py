"""How a response says inside of an answer what went wrong: in `error` of a failed response, or in an `error` event.

Codes: `ResponseError` of the OpenAI API reference, and those of error answers, which streams repeat.
"""

from collections.abc import Mapping

import msgspec

from pilothouse_proxy.dialects.openai_responses import views
from pilothouse_proxy.errors import Failure, Kind, fit_for_client

# fmt: off
CODES: Mapping[str, Kind] = {
    "server_error":                   Kind.UNAVAILABLE,
    "internal_server_error":          Kind.UNAVAILABLE,
    "internal_error":                 Kind.UNAVAILABLE,
    "service_unavailable":            Kind.UNAVAILABLE,
    "overloaded":                     Kind.UNAVAILABLE,
    "rate_limit_exceeded":            Kind.RATE_LIMITED,
    "too_many_requests":              Kind.RATE_LIMITED,
    "insufficient_quota":             Kind.UPSTREAM_QUOTA,
    "billing_hard_limit_reached":     Kind.UPSTREAM_QUOTA,
    "model_not_found":                Kind.UPSTREAM_MODEL_MISSING,
    "deploymentnotfound":             Kind.UPSTREAM_MODEL_MISSING,
    "context_length_exceeded":        Kind.CONTEXT_LENGTH,
    "string_above_max_length":        Kind.CONTEXT_LENGTH,
    "content_filter":                 Kind.CONTENT_FILTER,
    "content_policy_violation":       Kind.CONTENT_FILTER,
    "invalid_prompt":                 Kind.CONTENT_FILTER,  # OpenAI's word for one against its usage policy
    "bio_policy":                     Kind.CONTENT_FILTER,
    "misalignment_policy_violation":  Kind.CONTENT_FILTER,
    "image_content_policy_violation": Kind.CONTENT_FILTER,
    "vector_store_timeout":           Kind.TIMEOUT,
    "invalid_request_error":          Kind.INVALID_REQUEST,
    "unsupported_parameter":          Kind.INVALID_REQUEST,
    "invalid_value":                  Kind.INVALID_REQUEST,
    "invalid_image":                  Kind.INVALID_REQUEST,
    "invalid_image_format":           Kind.INVALID_REQUEST,
    "invalid_base64_image":           Kind.INVALID_REQUEST,
    "invalid_image_url":              Kind.INVALID_REQUEST,
    "invalid_image_mode":             Kind.INVALID_REQUEST,
    "image_too_large":                Kind.INVALID_REQUEST,
    "image_too_small":                Kind.INVALID_REQUEST,
    "image_parse_error":              Kind.INVALID_REQUEST,
    "image_file_too_large":           Kind.INVALID_REQUEST,
    "unsupported_image_media_type":   Kind.INVALID_REQUEST,
    "empty_image_file":               Kind.INVALID_REQUEST,
    "failed_to_download_image":       Kind.INVALID_REQUEST,
    "image_file_not_found":           Kind.INVALID_REQUEST,
}
_STATUSES: Mapping[str, Kind] = {
    # Azure puts the HTTP status that it could no longer send into the code.
    "400": Kind.INVALID_REQUEST,
    "401": Kind.UPSTREAM_AUTH,
    "403": Kind.UPSTREAM_PERMISSION,
    "404": Kind.UPSTREAM_MODEL_MISSING,
    "408": Kind.TIMEOUT,
    "429": Kind.RATE_LIMITED,
    "500": Kind.UNAVAILABLE,
    "502": Kind.UNAVAILABLE,
    "503": Kind.UNAVAILABLE,
    "504": Kind.TIMEOUT,
}
# fmt: on


_typed = msgspec.json.Decoder(views.Typed)


def name_of(data: bytes) -> str:
    """The name of an event that has none but in its data.

    Raises:
        ValueError: the data is no JSON object.
    """
    event = _typed.decode(data)
    return "error" if not event.type and bytes(event.error) != b"null" else event.type


def failure(error: views.Error | None) -> Failure:
    """What the `error` of a failed response means."""
    if error is None:
        return fit_for_client(Failure(kind=Kind.PROVIDER_ERROR, message="the provider reports a failed response"))
    code = str(error.code if error.code is not None else error.type or "")
    kind = CODES.get(code.lower()) or _STATUSES.get(code) or Kind.PROVIDER_ERROR
    shown = code if code.isascii() and code.replace("_", "").isalnum() and len(code) <= 64 else None
    return fit_for_client(Failure(kind=kind, message=error.message or "", code=shown, param=error.param))


def from_event(event: views.Failed) -> Failure:
    """What an `error` event means, in either of its shapes."""
    if isinstance(event.error, views.Error):
        return failure(event.error)
    message = event.error if isinstance(event.error, str) else event.message
    return failure(views.Error(message=message, code=event.code, param=event.param))
