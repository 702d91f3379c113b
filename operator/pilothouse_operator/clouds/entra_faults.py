"""Why Entra, or an endpoint of managed identities, gave no token: the SDK's exceptions and Entra's codes as Faults.

Codes: https://learn.microsoft.com/entra/identity-platform/reference-error-codes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import REDACTED, Secret
from pilothouse_operator.compile.identities import EntraIdentity, EntraWay
from pilothouse_operator.ports import Fault

_LONGEST = 320
_CODE = re.compile(r"AADSTS(\d+)")
# Numbers of the single request would make every failure look like a new one.
_TRACE = re.compile(r"\s*(Trace ID|Correlation ID|Timestamp):.*", re.DOTALL)
_TOKEN = re.compile(r"eyJ[\w-]{8,}(\.[\w-]*){0,4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meaning:
    """What a code tells whoever reads the condition. `field` as of Fault."""

    advice: str
    field: str = ""
    passing: bool = False


_FEDERATED = _Meaning(
    advice="give the application a federated credential with just the issuer, subject and audience of the operator's "
    "ServiceAccount token (a new one takes some minutes to be known)"
)
_CERTIFICATE = _Meaning(
    field="certificate",
    advice="upload the certificate to the application, or store the one that is there, with its key",
)
_SCOPE = _Meaning(advice="the scope is unknown there: does it belong to another of Azure's clouds than the authority?")

_MEANINGS: Mapping[int, _Meaning] = {
    7000215: _Meaning(
        field="clientSecret",
        advice="the client secret is wrong: store its value (not its id) again, or make a new one",
    ),
    7000222: _Meaning(
        field="clientSecret",
        advice="the client secret has expired: make a new one for the application and store it",
    ),
    700016: _Meaning(
        field="clientId",
        advice="the tenant has no such application: correct the client id or the tenant, or consent to it there",
    ),
    7000229: _Meaning(
        field="clientId",
        advice="the application has no service principal in the tenant: create one (`az ad sp create --id …`)",
    ),
    7000112: _Meaning(field="clientId", advice="the application is disabled: enable it"),
    90002: _Meaning(field="tenantId", advice="there is no such tenant in that cloud: correct its id, or the cloud"),
    900023: _Meaning(field="tenantId", advice="that is no tenant's id or domain: correct it"),
    70021: _FEDERATED,
    700211: _FEDERATED,
    700212: _FEDERATED,
    700213: _FEDERATED,
    700027: _CERTIFICATE,
    700030: _CERTIFICATE,
    7000214: _CERTIFICATE,
    700024: _Meaning(
        passing=True,
        advice="the assertion is not valid at this time: is the clock right, and the ServiceAccount token renewed?",
    ),
    70011: _SCOPE,
    500011: _SCOPE,
    1002012: _SCOPE,
    53003: _Meaning(advice="a Conditional Access policy for workload identities blocks it: except the application"),
    90033: _Meaning(passing=True, advice="Entra has a passing fault; it is tried again"),
}
_THROTTLING = frozenset({50196, 90055, 90056})


def fault(error: Exception, identity: EntraIdentity, values: Iterable[Secret]) -> Fault:
    """Of what azure-identity raised. `values` are what it was given: the text has none of them."""
    response = _response(error)
    status = getattr(response, "status_code", None)
    said = _said(error, values)
    found = _CODE.search(said)
    code = int(found.group(1)) if found else 0
    if status == 429 or code in _THROTTLING:
        return Fault(
            f"{_where(identity)} asks us to slow down while signing in {whom(identity)}; it is tried again.",
            reason=Reason.SIGN_IN_UNAVAILABLE,
            passing=True,
            throttled=True,
            retry_after_s=retry_after_s(response),
        )
    if code in _MEANINGS:
        meaning = _MEANINGS[code]
        return Fault(
            f"{_entra(identity)} refuses {whom(identity)}: {meaning.advice}. It says: {said}",
            reason=Reason.SIGN_IN_UNAVAILABLE if meaning.passing else Reason.SIGN_IN_REFUSED,
            passing=meaning.passing,
            field=meaning.field,
        )
    if status is None:
        return _unanswered(error, identity, said)
    if status < 400:
        return unusable(identity)
    if identity.way is EntraWay.MANAGED_IDENTITY and code == 0:
        return _unmanaged(identity, status, said, retry_after_s(response))
    if status >= 500 or status == 408:
        return Fault(
            f"{_where(identity)} fails to sign in {whom(identity)} ({status}); it is tried again.",
            reason=Reason.SIGN_IN_UNAVAILABLE,
            passing=True,
            retry_after_s=retry_after_s(response),
        )
    return Fault(
        f"{_where(identity)} refuses to sign in {whom(identity)} ({status}). It says: {said or 'nothing'}",
        reason=Reason.SIGN_IN_REFUSED,
        passing=False,
    )


def unusable(identity: EntraIdentity) -> Fault:
    """For an answer of success that has no token in it: nothing of it is quoted."""
    return Fault(
        f"{_where(identity)} answered without a usable token for {whom(identity)}. Does something else answer in its "
        "place, such as a proxy's sign-in page?",
        reason=Reason.SIGN_IN_UNAVAILABLE,
        passing=True,
    )


def late(identity: EntraIdentity, patience_s: float) -> Fault:
    """For no answer within the time."""
    return Fault(
        f"{_where(identity)} did not sign in {whom(identity)} within {patience_s:g} s; it is tried again.",
        reason=Reason.SIGN_IN_UNAVAILABLE,
        passing=True,
    )


def whom(identity: EntraIdentity) -> str:
    """The identity, as a reader would name it."""
    if identity.way is EntraWay.MANAGED_IDENTITY:
        named = identity.client_id or identity.object_id or identity.resource_id
        return f"the managed identity {named}" if named else "the system-assigned managed identity"
    client = f"application {identity.client_id}" if identity.client_id else "the pod's own application"
    return f"{client} of tenant {identity.tenant_id}" if identity.tenant_id else client


def retry_after_s(response: Any) -> float | None:
    """Whole seconds, as Azure sends them (RFC 9110, section 10.2.3); None where it does not."""
    value = str(getattr(response, "headers", {}).get("Retry-After", ""))
    return float(value) if value.isascii() and value.isdecimal() and len(value) < 7 else None


def one_line(text: str, values: Iterable[Secret] = ()) -> str:
    """What a service says, fit for a condition: short, without what it was given, tokens and numbers of the request."""
    for secret in values:
        for line in secret.reveal().splitlines():
            if len(line) >= 4:
                text = text.replace(line, REDACTED)
    text = _TOKEN.sub(REDACTED, _TRACE.sub("", text))
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _where(identity: EntraIdentity) -> str:
    if identity.way is EntraWay.MANAGED_IDENTITY:
        return "The endpoint of managed identities"
    return _entra(identity)


def _entra(identity: EntraIdentity) -> str:
    return f"Entra ({identity.authority})" if identity.authority else "Entra"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it stands for: CredentialUnavailableError tells nothing by itself."""
    while error is not None:
        yield error
        error = error.__cause__


def _response(error: Exception) -> Any:
    responses = (getattr(one, "response", None) for one in _chain(error))
    return next((response for response in responses if response is not None), None)


def _said(error: Exception, values: Iterable[Secret]) -> str:
    # Not str(): of some it has the whole body of the answer.
    text = error.message if isinstance(error, AzureError) else str(error)
    found = _CODE.search(text)
    return one_line(text[found.start() :].rstrip("' ") if found else text, values)


def _unanswered(error: Exception, identity: EntraIdentity, said: str) -> Fault:
    if isinstance(error, OSError) and error.filename is not None:
        return Fault(
            f"The operator cannot read the ServiceAccount token that signs in {whom(identity)}: {error.strerror}. "
            "Is the file of AZURE_FEDERATED_TOKEN_FILE mounted?",
            reason=Reason.SIGN_IN_REFUSED,
            passing=False,
        )
    if not any(isinstance(one, OSError | ServiceRequestError | ServiceResponseError) for one in _chain(error)):
        return unusable(identity)
    advice = said
    if identity.way is EntraWay.MANAGED_IDENTITY:
        advice = "Does the operator run on Azure, and may its pod reach 169.254.169.254?"
    return Fault(
        f"{_where(identity)} does not answer to sign in {whom(identity)}; it is tried again. {advice}",
        reason=Reason.SIGN_IN_UNAVAILABLE,
        passing=True,
    )


def _unmanaged(identity: EntraIdentity, status: int, said: str, retry_s: float | None) -> Fault:
    """IMDS: 404 and 410 while it is being updated, 400 for an identity that the machine has not.

    https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling
    """
    passing = status in (404, 408, 410) or status >= 500
    if passing:
        text = f"{_where(identity)} is not ready to sign in {whom(identity)} ({status}); it is tried again."
    else:
        text = (
            f"{_where(identity)} has not {whom(identity)} ({status}): assign it to the machine or app that the "
            f"operator runs on, or name another. It says: {said}"
        )
    return Fault(
        text,
        reason=Reason.SIGN_IN_UNAVAILABLE if passing else Reason.SIGN_IN_REFUSED,
        passing=passing,
        retry_after_s=retry_s,
    )
