"""Signing in to Vault: Kubernetes auth with the operator's own ServiceAccount token, or a token that a user has.

https://developer.hashicorp.com/vault/api-docs/auth/kubernetes and its plug-in's refusals. What a server says is read
for phrases that are known, and never repeated: a server may say anything, the token that it was sent too.
"""

import asyncio
import functools
import io
import json
import re
import ssl
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hvac  # type: ignore[import-untyped]  # it has no types
import requests
import requests.adapters
import urllib3

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.compile.identities import VaultIdentity
from pilothouse_operator.ports import Clock, Fault

TOKEN_FILE = Path("/var/run/secrets/pilothouse/vault/token")
"""A projected ServiceAccount token of an audience of its own: Vault can do nothing with it at the API server."""

_CONNECT_S = 3.0
_READ_S = 5.0
_ANSWER_S = 10.0
_PATIENCE_S = 15.0
# KV takes 1 MiB (max_entry_size of the integrated storage), which JSON may double.
_LONGEST = 2 * 1024 * 1024
_LONGEST_TOKEN = 65_536
# Whoever names a server can make it slow: its calls wait for each other, not for those of others.
_THREADS = 32
_AT_ONCE = 4
_IDLE_S = 3_600.0

_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One Vault: its URL, a namespace of Vault Enterprise or none, PEM certificates to trust or the system's."""

    server: str
    namespace: str = ""
    ca_bundle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`body` is empty where it is no JSON object."""

    status: int
    body: Mapping[str, Any] = field(repr=False)
    retry_after_s: float | None = None

    def says(self, phrase: str) -> bool:
        """Whether one of its `errors` has this in it."""
        errors = self.body.get("errors")
        return isinstance(errors, list) and any(isinstance(e, str) and phrase in e for e in errors)


Call = Callable[[hvac.Client], requests.Response]
"""One call, with a client whose answers are not turned into exceptions."""


@dataclass(frozen=True, slots=True)
class _Held:
    token: Secret
    renew_at: float
    ends_at: float


@dataclass(slots=True)
class _Login:
    """One identity at one Vault. `turns` counts the logins that failed, `fault` is the last one's."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    held: _Held | None = None
    turns: int = 0
    fault: Fault | None = None


@dataclass(slots=True)
class _Door:
    """What is kept of one Vault, while it is used."""

    session: requests.Session
    gate: asyncio.Semaphore
    used_at: float
    logins: dict[VaultIdentity, _Login] = field(default_factory=dict)


class Vault:
    """Every Vault that is asked. A login is kept for its identity until 2/3 of the lease, then made anew."""

    def __init__(self, *, clock: Clock, token_file: Path = TOKEN_FILE) -> None:
        self._clock = clock
        self._token_file = token_file
        self._doors: dict[Place, _Door] = {}
        self._system: ssl.SSLContext | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="vault")

    async def ask(self, place: Place, identity: VaultIdentity, token: Secret | None, call: Call) -> Answer:
        """Signed in with `token`, or as `identity`; then a token that is refused is replaced once, and asked again.

        Raises Fault when there is no answer, or one that says nothing of what was asked (sealed, standby, too many).
        """
        door = self._door(place)
        if token is not None:
            return await self._asked(place, door, _checked(token), call)
        held, new = await self._signed_in(place, door, identity, refused=None)
        answer = await self._asked(place, door, held.token, call)
        if answer.status == 403 and not new:
            # Revoked, or ended early: Vault says the same as to a token that lacks a policy.
            held, _ = await self._signed_in(place, door, identity, refused=held)
            answer = await self._asked(place, door, held.token, call)
        return answer

    async def _asked(self, place: Place, door: _Door, token: Secret, call: Call) -> Answer:
        answer = await self._called(place, door, token, call, Reason.STORE_UNAVAILABLE)
        _must_serve(place, answer, Reason.STORE_UNAVAILABLE)
        return answer

    async def _signed_in(
        self, place: Place, door: _Door, identity: VaultIdentity, *, refused: _Held | None
    ) -> tuple[_Held, bool]:
        """What is held, and whether it is new. One login at a time, however many wait for it."""
        login = door.logins.setdefault(identity, _Login())
        turns = login.turns
        async with login.lock:
            now = self._clock.monotonic()
            if login.held is not None and login.held is not refused and now < login.held.renew_at:
                return login.held, False
            # Whoever waited while a login failed would fail too, one behind the other.
            fault = login.fault if login.turns != turns else None
            if fault is None:
                try:
                    login.held, login.fault = await self._login(place, door, identity), None
                    return login.held, True
                except Fault as failed:
                    login.fault = fault = failed
                    login.turns += 1
            if login.held is None or login.held is refused or not fault.passing or now >= login.held.ends_at:
                raise fault
            return login.held, False

    async def _login(self, place: Place, door: _Door, identity: VaultIdentity) -> _Held:
        login = functools.partial(_login, self._token_file, identity)
        began = self._clock.monotonic()
        answer = await self._called(place, door, Secret(""), login, Reason.SIGN_IN_UNAVAILABLE)
        _must_serve(place, answer, Reason.SIGN_IN_UNAVAILABLE)
        if answer.status != 200:
            raise _refusal(place, identity, answer)
        auth = answer.body.get("auth")
        token, lease_s = (auth.get("client_token"), auth.get("lease_duration")) if isinstance(auth, dict) else (0, 0)
        if not isinstance(token, str) or not _TOKEN.fullmatch(token) or not isinstance(lease_s, int):
            raise _stranger(place, Reason.SIGN_IN_UNAVAILABLE)
        # No lease: it never ends.
        span = lease_s if lease_s > 0 else float("inf")
        return _Held(Secret(token), began + span * 2 / 3, began + span)

    async def _called(self, place: Place, door: _Door, token: Secret, call: Call, reason: Reason) -> Answer:
        """A thread cannot be stopped: who waits no longer leaves it, and it keeps its place until it is done."""
        door.used_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await door.gate.acquire()
        except TimeoutError:
            raise _silent(place, reason) from None
        work = functools.partial(_answer, door.session, place, token, call, reason)
        answered = asyncio.get_running_loop().run_in_executor(self._threads, work)
        answered.add_done_callback(lambda done: _left(done, door.gate))
        done, _ = await asyncio.wait({answered}, timeout=_PATIENCE_S)
        if not done:
            raise _silent(place, reason)
        return answered.result()

    def _door(self, place: Place) -> _Door:
        now = self._clock.monotonic()
        if place not in self._doors:
            self._doors = {each: door for each, door in self._doors.items() if now - door.used_at < _IDLE_S}
            # The system's authorities take tens of milliseconds to read.
            self._system = self._system or ssl.create_default_context()
            session = _session(_trusting(place.ca_bundle) if place.ca_bundle else self._system)
            self._doors[place] = _Door(session, asyncio.Semaphore(_AT_ONCE), now)
        return self._doors[place]


def _left(done: asyncio.Future[Answer], gate: asyncio.Semaphore) -> None:
    gate.release()
    if not done.cancelled():
        done.exception()  # looked at: nobody may be waiting for it any more


def _login(token_file: Path, identity: VaultIdentity, client: hvac.Client) -> requests.Response:
    # Read at each login: the kubelet replaces it.
    try:
        with token_file.open("rb") as file:
            token = file.read(_LONGEST_TOKEN).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if not token:
        raise Fault(
            f"the operator has no ServiceAccount token for Vault ({token_file} is missing, empty or unreadable): mount "
            "a projected token there, with the audience that Vault's role expects, or name a token of Vault's own",
            reason=Reason.SIGN_IN_REFUSED,
            passing=False,
        )
    response: requests.Response = client.auth.kubernetes.login(
        role=identity.role, jwt=token, use_token=False, mount_point=identity.mount
    )
    return response


def _answer(session: requests.Session, place: Place, token: Secret, call: Call, reason: Reason) -> Answer:
    client = hvac.Client(
        url=place.server,
        token=token.reveal(),
        namespace=place.namespace or None,
        session=session,
        verify=True,
        timeout=(_CONNECT_S, _READ_S),
        # A token goes where a manifest says, not where a server does.
        allow_redirects=False,
        adapter=hvac.adapters.RawAdapter,
        ignore_exceptions=True,
    )
    try:
        response = call(client)
    except requests.exceptions.SSLError as error:
        raise _distrusted(place, error, reason) from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
        message = f"{place.server!r} is no URL of a Vault server: it has the form https://vault.example.com:8200"
        raise Fault(message, reason=reason, passing=False, field="server") from None
    except (requests.exceptions.RequestException, UnicodeError):
        # Its text may hold a header's value.
        raise _silent(place, reason) from None
    return Answer(status=response.status_code, body=_object(response), retry_after_s=_retry_after_s(response))


def _object(response: requests.Response) -> Mapping[str, Any]:
    try:
        found = json.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _retry_after_s(response: requests.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if re.fullmatch("[0-9]{1,6}", text) else None


class _Transport(requests.adapters.HTTPAdapter):
    """Trusts what its context trusts and nothing else, and reads no more than it should, for no longer."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_maxsize=_AT_ONCE)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, **kwargs, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """As the context does: the original adds certificates of its own to it."""

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        return super().build_connection_pool_key_attributes(request, verify=True, cert=cert)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        until = time.monotonic() + _ANSWER_S
        response = super().send(request, *args, **(kwargs | {"stream": True}))
        body = bytearray()
        try:
            # As it comes: a read of a whole block waits for as long as single bytes arrive.
            while piece := response.raw.read1(16_384, decode_content=True):
                body += piece
                if len(body) > _LONGEST or time.monotonic() > until:
                    raise requests.exceptions.ConnectionError("the answer is too long")
        except urllib3.exceptions.HTTPError:
            raise requests.exceptions.ConnectionError("the answer breaks off") from None
        finally:
            response.close()
        whole = requests.Response()
        whole.status_code, whole.headers, whole.url = response.status_code, response.headers, response.url
        whole.request, whole.raw = request, io.BytesIO(body)
        return whole


def _trusting(ca_bundle: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=ca_bundle)
    except (ssl.SSLError, ValueError, TypeError):  # the last: not ASCII
        message = "caBundle holds no certificates in PEM form: put the certificate of Vault's authority there"
        raise Fault(message, reason=Reason.STORE_UNAVAILABLE, passing=False, field="caBundle") from None


def _session(context: ssl.SSLContext) -> requests.Session:
    session = requests.Session()
    session.mount("https://", _Transport(context))
    session.mount("http://", _Transport(context))
    return session


def _checked(token: Secret) -> Secret:
    text = token.reveal().strip()
    if not _TOKEN.fullmatch(text):
        message = "the value is no token of Vault: that is one line of visible characters (hvs.…)"
        raise Fault(message, reason=Reason.SECRET_MALFORMED, passing=False, field="token")
    return Secret(text)


_UNAVAILABLE: Mapping[int, str] = {
    429: "asks us to slow down (a rate limit, or a standby that does not serve); it is asked again later",
    412: "has not caught up with the node that was written to; it is asked again",
    472: "is a standby of disaster recovery, which serves nothing: point server at the primary cluster",
    473: "is a performance standby that does not serve: point server at the active node or its load balancer",
    501: "is not initialised: run vault operator init there",
    503: "does not serve at the moment (503); it is asked again",
}
"""https://developer.hashicorp.com/vault/api-docs#http-status-codes and api-docs/system/health."""


def _must_serve(place: Place, answer: Answer, reason: Reason) -> None:
    status = answer.status
    if 300 <= status < 400:
        said = (
            f"answers with a redirection ({status}), as a standby without request forwarding does: point server at the "
            "active node or its load balancer"
        )
        raise Fault(f"Vault at {place.server} {said}", reason=reason, passing=False, field="server")
    if status == 503 and answer.says("sealed"):
        raise Fault(f"Vault at {place.server} is sealed: unseal it; it is asked again", reason=reason, passing=True)
    if status in _UNAVAILABLE or (status >= 500 and not any(answer.says(phrase) for phrase in _REFUSALS)):
        said = _UNAVAILABLE.get(status, f"fails with status {status}; its own log says why. It is asked again")
        raise Fault(
            f"Vault at {place.server} {said}",
            reason=reason,
            passing=status != 501,
            throttled=status == 429,
            retry_after_s=answer.retry_after_s,
        )


_REFUSALS: Mapping[str, str] = {
    "invalid role name": "there is no such role. Create it, or name another",
    "service account name not authorized": "the role is not for the operator's ServiceAccount: add it to "
    "bound_service_account_names",
    "namespace not authorized": "the role is not for the operator's namespace: add it to "
    "bound_service_account_namespaces",
    "audience": "the token has another audience: make audience of the role and of the operator's projected token equal",
    "expired": "the operator's ServiceAccount token has ended: does the kubelet still renew it?",
    "no handler for route": "no auth method is mounted there: name the mount of the Kubernetes auth method",
    "unsupported path": "the auth method at this mount is not Kubernetes auth: name the mount of one that is",
}
"""Words of the plug-in (vault-plugin-auth-kubernetes, path_login.go) → what to do. Statuses differ by version."""


def _refusal(place: Place, identity: VaultIdentity, answer: Answer) -> Fault:
    found = (advice for phrase, advice in _REFUSALS.items() if answer.says(phrase))
    advice = next(
        found,
        "check the mount, the role, and that the auth method may review tokens of this cluster (kubernetes_host, its "
        "reviewer's right to create tokenreviews)",
    )
    message = (
        f"Vault at {place.server} refuses the login at auth/{identity.mount} with the role {identity.role!r} "
        f"({answer.status}): {advice}"
    )
    return Fault(message, reason=Reason.SIGN_IN_REFUSED, passing=False, field="role")


def _stranger(place: Place, reason: Reason) -> Fault:
    message = f"{place.server} answers, but not as Vault does: is it the URL of a Vault server?"
    return Fault(message, reason=reason, passing=True, field="server")


def _silent(place: Place, reason: Reason) -> Fault:
    message = f"Vault at {place.server} does not answer; it is asked again. Check its address and the way there"
    return Fault(message, reason=reason, passing=True)


def _distrusted(place: Place, error: BaseException, reason: Reason) -> Fault:
    why, at = "TLS fails", error.__context__
    while at is not None:
        if isinstance(at, ssl.SSLCertVerificationError):
            why = f"its certificate is not trusted ({at.verify_message})"
        at = at.__context__
    message = f"no connection to Vault at {place.server}: {why}. Put the certificate of its authority into caBundle"
    return Fault(message, reason=reason, passing=False, field="caBundle")
