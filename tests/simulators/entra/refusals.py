"""Entra's error answers, by code.

https://learn.microsoft.com/entra/identity-platform/reference-error-codes; statuses and `error` as the service sends
them.
"""

from __future__ import annotations

import time
import uuid
from typing import Any, Final

_CLIENT, _UNAUTHORISED, _REQUEST = "invalid_client", "unauthorized_client", "invalid_request"

_ROWS: Final[dict[int, tuple[int, str, str]]] = {
    7000215: (
        401,
        _CLIENT,
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not "
        "the client secret ID, for a secret added to app '{app}'.",
    ),
    7000222: (
        401,
        _CLIENT,
        "The provided client secret keys for app '{app}' are expired. Visit the Azure portal to create new keys for "
        "your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: "
        "https://aka.ms/certCreds.",
    ),
    7000216: (
        401,
        _CLIENT,
        "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
    ),
    7000112: (400, _UNAUTHORISED, "Application '{app}'({app}) is disabled."),
    700016: (
        400,
        _UNAUTHORISED,
        "Application with identifier '{app}' was not found in the directory '{tenant}'. This can happen if the "
        "application has not been installed by the administrator of the tenant or consented to by any user in the "
        "tenant. You may have sent your authentication request to the wrong tenant.",
    ),
    90002: (
        400,
        _REQUEST,
        "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the "
        "correct cloud. Check with your subscription administrator, this may happen if there are no active "
        "subscriptions for the tenant.",
    ),
    70021: (
        400,
        _REQUEST,
        "No matching federated identity record found for presented assertion. Assertion Issuer: '{issuer}'. "
        "Assertion Subject: '{subject}'. Assertion Audience: '{audience}'.",
    ),
    700213: (
        401,
        _CLIENT,
        "No matching federated identity record found for presented assertion subject '{subject}'. Check your "
        "federated identity credential Subject, Audience and Issuer against the presented assertion.",
    ),
    700027: (401, _CLIENT, "Client assertion failed signature validation. [Reason - {reason}]"),
    700024: (
        401,
        _CLIENT,
        "Client assertion is not within its valid time range. Current time: {now}, expiry time of assertion {end}.",
    ),
    700023: (
        401,
        _CLIENT,
        "Client assertion audience claim does not match Realm issuer.",
    ),
    50027: (401, _CLIENT, "JWT token is invalid or malformed."),
    70011: (400, "invalid_scope", "The provided value for the input parameter 'scope' is not valid."),
    1002012: (
        400,
        "invalid_scope",
        "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with "
        "/.default suffixed to the resource identifier (application ID URI).",
    ),
    500011: (
        400,
        "invalid_resource",
        "The resource principal named {scope} was not found in the tenant named {tenant}.",
    ),
    70003: (400, "unsupported_grant_type", "The app requested an unsupported grant type '{grant}'."),
    90033: (503, "temporarily_unavailable", "A transient error has occurred. Please try again."),
    90055: (429, "temporarily_unavailable", "The request was throttled: too many requests from this tenant."),
}


class Refused(Exception):
    """One row, filled in."""

    def __init__(self, code: int, **told: object) -> None:
        super().__init__(code)
        self.code = code
        self.told = told


def answer(refused: Refused) -> tuple[int, dict[str, Any]]:
    """Status and JSON."""
    status, error, text = _ROWS[refused.code]
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    described = (
        f"AADSTS{refused.code}: {text.format(**refused.told)} "
        f"Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}"
    )
    return status, {
        "error": error,
        "error_description": described,
        "error_codes": [refused.code],
        "timestamp": stamp,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={refused.code}",
    }
