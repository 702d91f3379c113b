"""Azure OpenAI's error answers: OpenAI's shape with codes of its own, and that of the API management before it.

Sources: "Azure OpenAI: troubleshoot common HTTP errors", "Manage quota", "Provisioned throughput", "Content filtering".
"""

from collections.abc import Mapping

from pilothouse_proxy import errors
from pilothouse_proxy.dialects.openai_chat import errors as documents
from pilothouse_proxy.dialects.openai_chat.errors import ErrorDocument
from pilothouse_proxy.errors import Kind
from pilothouse_proxy.http.messages import Headers

_CODES: Mapping[str, tuple[Kind, str]] = {
    "deploymentnotfound": (
        Kind.UPSTREAM_MODEL_MISSING,
        "no deployment of this name; a new one takes up to five minutes to appear",
    ),
    "operationnotsupported": (Kind.MISCONFIGURED, "the deployment's model does not serve this operation"),
    "unsupportedapiversion": (Kind.MISCONFIGURED, "check the provider's API version"),
}

# Capacity that is reserved and full. Its words must not match the advice in answers of shared capacity ("consider
# switching to Provisioned Throughput").
_PROVISIONED = ("provisioned-managed deployment", "provisioned managed deployment", "provisioned deployment")


def classify(*, status: int, headers: Headers, body: bytes, now: float) -> errors.Failure:
    """What a non-2xx answer means."""
    document = documents.read(body)
    kind, hint = _kind(document, status, headers)
    return documents.failure(
        document,
        kind,
        status=status,
        hint=hint,
        retry_after_s=errors.retry_after_s(headers, now=now),
        request_id=_request_id(headers),
    )


def _kind(document: ErrorDocument, status: int, headers: Headers) -> tuple[Kind, str]:
    own = _CODES.get(document.code.lower())
    if own is not None:
        return own
    text = document.message.lower()
    kind = documents.kind(document, status=status)
    if kind is Kind.RATE_LIMITED and _is_provisioned(text, headers):
        return Kind.CAPACITY, ""
    if status == 400 and kind is Kind.INVALID_REQUEST and "api version" in text:
        return Kind.MISCONFIGURED, "check the provider's API version"
    if kind is Kind.UPSTREAM_AUTH and "audience" in text:
        return kind, "the token has ended, or was issued for another audience"
    if kind is Kind.UPSTREAM_PERMISSION and ("firewall" in text or "virtual network" in text):
        return kind, "the resource's network rules do not let the gateway in"
    return kind, ""


def _is_provisioned(text: str, headers: Headers) -> bool:
    if any(marker in text for marker in _PROVISIONED):
        return True
    # Only provisioned deployments report how full they are.
    return any(key == b"azure-openai-deployment-utilization" for key, _ in headers)


def _request_id(headers: Headers) -> str | None:
    found = {key: value for key, value in headers if key in {b"apim-request-id", b"x-request-id"}}
    return errors.visible_id(found.get(b"apim-request-id", found.get(b"x-request-id")))
