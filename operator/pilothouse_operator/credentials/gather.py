"""The credential of every provider, from what the store holds now; a good one outlives its Secret."""

from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.names import ProviderKey
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import Basic, Credential, ProxyCredential
from pilothouse_operator.compile.world import CredentialState, SecretRef, SignIn, SignInKind
from pilothouse_operator.ports import FieldPath, Issuer, SecretAbsent, SecretState, SecretStore

_REASONS = {
    SecretState.PENDING: Reason.PENDING,
    SecretState.NOT_FOUND: Reason.SECRET_NOT_FOUND,
    SecretState.FORBIDDEN: Reason.SECRET_FORBIDDEN,
    SecretState.UNAVAILABLE: Reason.STORE_UNAVAILABLE,
}

_PROXY = "spec.connection.proxy.auth.basic"

# Servers take header fields of 8 to 16 KiB in all.
_LONGEST = 8_192


@dataclass(frozen=True, slots=True)
class _LastGood:
    sign_in: SignIn
    credential: Credential
    proxy: ProxyCredential | None


class Credentials:
    """Remembers the last good credential of each provider for as long as its sign-in stays as it was.

    Another uid or other references mean another sign-in, which inherits nothing.
    """

    def __init__(self, *, store: SecretStore, issuers: Mapping[SignInKind, Issuer]) -> None:
        self._store = store
        self._issuers = issuers
        self._last_good: dict[ProviderKey, _LastGood] = {}

    def want(self, sign_ins: Mapping[ProviderKey, SignIn]) -> None:
        """Tells the store which Secrets to hold."""
        self._store.want(frozenset().union(*(sign_in.secrets for sign_in in sign_ins.values())))

    def pending(self, sign_ins: Mapping[ProviderKey, SignIn]) -> bool:
        """Whether some Secret has not been looked at yet: a snapshot made now would lack its provider."""
        references = {reference for sign_in in sign_ins.values() for reference in sign_in.secrets}
        contents = (self._store.read(namespace, name) for namespace, name in references)
        return any(isinstance(c, SecretAbsent) and c.state is SecretState.PENDING for c in contents)

    def gather(self, sign_ins: Mapping[ProviderKey, SignIn]) -> dict[ProviderKey, CredentialState]:
        """Without I/O. A provider whose Secret is at fault keeps what last worked, with the fault beside it."""
        kept: dict[ProviderKey, _LastGood] = {}
        states: dict[ProviderKey, CredentialState] = {}
        for provider, sign_in in sign_ins.items():
            last = self._last_good.get(provider)
            if last is not None and last.sign_in != sign_in:
                last = None
            issued = self._issued(sign_in)
            if not isinstance(issued, Problem):
                last = issued
                states[provider] = CredentialState(credential=issued.credential, proxy=issued.proxy)
            elif last is not None:
                states[provider] = CredentialState(credential=last.credential, proxy=last.proxy, problem=issued)
            else:
                states[provider] = CredentialState(credential=None, problem=issued)
            if last is not None:
                kept[provider] = last
        self._last_good = kept
        return states

    def _issued(self, sign_in: SignIn) -> _LastGood | Problem:
        credential = self._issuers[sign_in.kind].issue(sign_in, self._read)
        if isinstance(credential, Problem):
            return credential
        proxy = self._proxy_credential(sign_in) if sign_in.proxy else None
        return proxy if isinstance(proxy, Problem) else _LastGood(sign_in, credential, proxy)

    def _proxy_credential(self, sign_in: SignIn) -> ProxyCredential | Problem:
        read = {name: self._read(ref, FieldPath(f"{_PROXY}.{name}")) for name, ref in sign_in.proxy.items()}
        username, password = read["username"], read["password"]
        if isinstance(username, Problem):
            return username
        if isinstance(password, Problem):
            return password
        if ":" in username.reveal():
            where = sign_in.proxy["username"]
            return Problem(
                reason=Reason.SECRET_MALFORMED,
                field=f"{_PROXY}.username",
                message=f"Secret {where.namespace}/{where.name}, key {where.key!r}, has a colon, which no user of HTTP "
                "Basic can have. Does it hold user and password together?",
            )
        return Basic(username=username, password=password)

    def _read(self, reference: SecretRef, field: FieldPath) -> Secret | Problem:
        content = self._store.read(reference.namespace, reference.name)
        if isinstance(content, SecretAbsent):
            return Problem(reason=_REASONS[content.state], message=content.message, field=field)
        which = f"Secret {reference.namespace}/{reference.name}"
        if reference.key not in content.values:
            return Problem(
                reason=Reason.SECRET_KEY_MISSING,
                message=f"{which} has no key {reference.key!r}: add it to the Secret, or name another in {field}.",
                field=field,
            )
        value = content.values[reference.key]
        fault = "is not UTF-8 text" if value is None else _fault(value)
        if fault or value is None:
            return Problem(
                reason=Reason.SECRET_MALFORMED,
                message=f"{which}, key {reference.key!r}, {fault}: write the value again.",
                field=field,
            )
        return Secret(value.reveal().strip())


def _fault(value: Secret) -> str:
    """What keeps the value out of an HTTP header; white space around it (an editor's last newline) does not."""
    text = value.reveal().strip()
    if not text:
        return "is empty"
    if len(text) > _LONGEST:
        return f"is longer than any credential: more than {_LONGEST} characters"
    if not text.isascii():
        return "has a character outside ASCII, which no credential has"
    if not text.isprintable():
        return "has a line break or control character inside; does it hold more than one value?"
    return ""
