"""Signing in to Google by google-auth: as the operator itself, with a service account's key, or as another account.

The operator itself: https://cloud.google.com/docs/authentication/application-default-credentials (GKE's metadata
server, or the file in GOOGLE_APPLICATION_CREDENTIALS, such as one of workload identity federation).
"""

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import google.auth
import google.auth.credentials
import google.auth.exceptions
import google.auth.impersonated_credentials
import google.auth.transport.requests
import google.oauth2.service_account
from cryptography.exceptions import UnsupportedAlgorithm
from google.auth.credentials import TokenState

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.compile.identities import GoogleIdentity
from pilothouse_operator.ports import Fault

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"

_CALL_S = 5.0
# google-auth tries up to three times, with a second or two in between.
_PATIENCE_S = 20.0
_THREADS = 8
_IDLE_S = 3_600.0

_EMAIL = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Google's sign-in services; others where the cluster reaches them by private endpoints only."""

    token: str = "https://oauth2.googleapis.com/token"  # noqa: S105  # an address
    iam_credentials: str = "https://iamcredentials.googleapis.com"


@dataclass(slots=True, eq=False)
class _Account:
    """One way to be somebody, and the one question at a time that is asked for it."""

    identity: GoogleIdentity
    key: Secret | None
    used_at: float
    credentials: google.auth.credentials.Credentials | None = field(default=None, repr=False)
    asked: "asyncio.Future[Secret] | None" = field(default=None, repr=False)


class GoogleTokens:
    """Access tokens, kept and renewed some minutes before they end."""

    def __init__(self, *, endpoints: Endpoints | None = None) -> None:
        self._endpoints = endpoints or Endpoints()
        self._accounts: dict[tuple[GoogleIdentity, Secret | None], _Account] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="google")
        # At DEBUG it logs whole answers, and hashes in them what it knows to be secret.
        logging.getLogger("google.auth.transport.requests").setLevel(logging.INFO)

    async def token(self, identity: GoogleIdentity, key: Secret | None) -> Secret:
        """For every API of Google, as far as the account's roles go. `key`: a key file's text. Raises Fault."""
        account = self._account(identity, key)
        if account.credentials is not None and account.credentials.token_state is TokenState.FRESH:
            return Secret(str(account.credentials.token))
        if account.asked is None or account.asked.done():
            loop = asyncio.get_running_loop()
            account.asked = loop.run_in_executor(self._threads, _ask, account, self._endpoints)
            account.asked.add_done_callback(_look)
        # A thread cannot be stopped: who waits no longer leaves it, and the next to ask finds it still at work.
        done, _ = await asyncio.wait({account.asked}, timeout=_PATIENCE_S)
        if not done:
            raise _silent(identity)
        return account.asked.result()

    def refused(self, identity: GoogleIdentity, key: Secret | None, token: Secret) -> None:
        """An API does not take this token: the next call asks for another, unless there is one already."""
        account = self._accounts.get((identity, key))
        if account is not None and account.credentials is not None and account.credentials.token == token.reveal():
            account.credentials.token = None

    def _account(self, identity: GoogleIdentity, key: Secret | None) -> _Account:
        now = asyncio.get_running_loop().time()
        if (identity, key) not in self._accounts:
            used = {each: account for each, account in self._accounts.items() if now - account.used_at < _IDLE_S}
            self._accounts = used | {(identity, key): _Account(identity, key, now)}
        account = self._accounts[identity, key]
        account.used_at = now
        return account


def _look(done: "asyncio.Future[Secret]") -> None:
    if not done.cancelled():
        done.exception()  # nobody may be waiting for it any more


class _Request(google.auth.transport.requests.Request):
    """Waits for seconds, not for the minutes of the original."""

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> Any:
        longest = _CALL_S if timeout is None else min(timeout, _CALL_S)
        return super().__call__(url, method, body, headers, longest, **kwargs)  # type: ignore[no-untyped-call]  # google-auth has no types here


def _ask(account: _Account, endpoints: Endpoints) -> Secret:
    request = _Request()
    try:
        if account.credentials is None:
            account.credentials = _credentials(account, endpoints, request)
        credentials = account.credentials
        credentials.refresh(request)
    except Fault:
        raise
    except Exception as error:
        # Answers that are not as they should be come out as whatever they break, down to TypeError.
        if account.credentials is not None and account.credentials.token_state is TokenState.STALE:
            return Secret(str(account.credentials.token))
        # From the beginning the next time: other files may be there, and who acts for another may be refused himself.
        account.credentials = None
        # Its text may hold an answer.
        raise _fault(account, error) from None
    finally:
        request.session.close()
    if not isinstance(credentials.token, str) or not credentials.token:
        raise _silent(account.identity)
    return Secret(credentials.token)


def _credentials(account: _Account, endpoints: Endpoints, request: _Request) -> Any:
    source = _of_key(account.key, endpoints) if account.key is not None else _own(request)
    email = account.identity.impersonate
    if not email:
        return source
    if not _EMAIL.fullmatch(email):
        message = f"{email!r} is no service account's e-mail address (NAME@PROJECT.iam.gserviceaccount.com)"
        raise Fault(message, reason=Reason.SIGN_IN_REFUSED, passing=False, field="impersonate")
    return google.auth.impersonated_credentials.Credentials(  # type: ignore[no-untyped-call]  # google-auth has no types here
        source_credentials=source,
        target_principal=email,
        target_scopes=[_SCOPE],
        iam_endpoint_override=f"{endpoints.iam_credentials}/v1/projects/-/serviceAccounts/{email}:generateAccessToken",
    )


def _own(request: _Request) -> Any:
    # Without scopes at first: with them google-auth looks for the name of a project, at one more service.
    own, _ = google.auth.default(request=request)
    return google.auth.credentials.with_scopes_if_required(own, [_SCOPE])  # type: ignore[no-untyped-call]  # google-auth has no types here


def _of_key(key: Secret, endpoints: Endpoints) -> Any:
    """Only what a key is made of: other kinds of files name addresses, files and programs of their writer's choice."""
    try:
        info = json.loads(key.reveal())
    except (ValueError, RecursionError):
        info = None
    if not isinstance(info, dict) or info.get("type") != "service_account":
        raise _malformed("it is not the JSON file of a service account's key (with type: service_account)")
    members = {name: info.get(name) for name in ("client_email", "private_key", "private_key_id")}
    if not all(isinstance(member, str) for member in members.values()):
        raise _malformed("client_email, private_key or private_key_id is missing in it")
    try:
        return google.oauth2.service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]  # google-auth has no types here
            {**members, "token_uri": endpoints.token}, scopes=[_SCOPE]
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _malformed("its private_key cannot be read") from None


def _malformed(why: str) -> Fault:
    message = f"the value is no key of a Google service account: {why}. Store the file as Google made it"
    return Fault(message, reason=Reason.SECRET_MALFORMED, passing=False, field="key")


def _fault(account: _Account, error: Exception) -> Fault:
    who = _who(account)
    if isinstance(error, google.auth.exceptions.DefaultCredentialsError):
        message = (
            "the operator has no identity of its own at Google: give its ServiceAccount one (GKE's Workload Identity "
            "Federation), set GOOGLE_APPLICATION_CREDENTIALS, or name a key"
        )
        # The metadata server of a node starts with it, and may come after us.
        return Fault(message, reason=Reason.SIGN_IN_REFUSED, passing=True)
    if _metadata_status(error) in {403, 404}:
        message = (
            "the metadata server gives the operator no token: let its ServiceAccount act as the Google account that it "
            "is annotated with (roles/iam.workloadIdentityUser), and see that this account exists"
        )
        return Fault(message, reason=Reason.SIGN_IN_REFUSED, passing=True)
    status, said = _answer(error)
    if status in {403, 404} and account.identity.impersonate:
        email = account.identity.impersonate
        message = (
            f"{who} may not act as {email} ({status}): grant it roles/iam.serviceAccountTokenCreator on that account, "
            "see that the account exists, and enable iamcredentials.googleapis.com"
        )
        return Fault(message, reason=Reason.SIGN_IN_REFUSED, passing=False, field="impersonate")
    if "error" in said or "invalid_" in str(error.args[:1]):
        advice = (
            "the key is deleted or disabled, its account is gone, or this machine's clock is wrong. Make a new key"
            if account.key is not None
            else "its token is not accepted there; see the audience and the conditions of the identity pool's provider"
        )
        passing = bool(getattr(error, "retryable", False))
        reason = Reason.SIGN_IN_UNAVAILABLE if passing else Reason.SIGN_IN_REFUSED
        return Fault(
            f"Google refuses to sign in {who}: {advice}",
            reason=reason,
            passing=passing,
            field="key" if account.key is not None else "",
        )
    if status == 429:
        message = f"Google asks us to slow down when {who} signs in; it is asked again later"
        return Fault(message, reason=Reason.SIGN_IN_UNAVAILABLE, passing=True, throttled=True)
    return _silent(account.identity)


def _metadata_status(error: Exception) -> int:
    """What a metadata server said no with; 0 if it is something else. The response is the cause's second argument."""
    cause = error.args[0] if error.args else None
    if not isinstance(cause, google.auth.exceptions.TransportError):
        return 0
    return int(getattr(cause.args[1], "status", 0)) if len(cause.args) > 1 else 0


def _answer(error: Exception) -> tuple[int, Mapping[str, Any]]:
    """The status of an error of Google's APIs, and that of OAuth if it is one; (0, {}) of what says nothing."""
    for argument in error.args[1:]:
        try:
            found = json.loads(argument) if isinstance(argument, str) else argument
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            about = found.get("error")
            if isinstance(about, dict):
                code = about.get("code")
                return (code if isinstance(code, int) else 0), {}
            return 0, found
    return 0, {}


def _who(account: _Account) -> str:
    return "the account of the key" if account.key is not None else "the operator's own account"


def _silent(identity: GoogleIdentity) -> Fault:
    where = "its sign-in or the metadata server" + (", or IAM Credentials" if identity.impersonate else "")
    message = f"no token from Google: {where} does not answer, or not as it should; it is asked again"
    return Fault(message, reason=Reason.SIGN_IN_UNAVAILABLE, passing=True)
