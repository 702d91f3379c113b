"""The credential of every provider, from what is known now; a good one outlives the value that it was made of."""

from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.names import ProviderKey
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, Basic, Credential, ProxyCredential
from pilothouse_operator.compile.identities import Grant
from pilothouse_operator.compile.world import CredentialState, Reference, SignIn, SignInKind, value_path
from pilothouse_operator.credentials.reading import Values, described, fault_problem
from pilothouse_operator.ports import Application, Broker, Fault, FieldPath, Issuer

_PROXY = "spec.connection.proxy.auth.basic"

_LONG_VALUES = frozenset({"certificate"})
"""Those that are never sent as they stand, and may have several lines."""


@dataclass(frozen=True, slots=True)
class _LastGood:
    """What the values of a sign-in were made into: a static credential, or what a cloud is to be asked with."""

    sign_in: SignIn
    credential: Credential | None
    application: Application | None
    proxy: ProxyCredential | None


class Credentials:
    """Remembers the last good values of each provider for as long as its sign-in stays as it was.

    Another uid or other references mean another sign-in, which inherits nothing.
    """

    def __init__(self, *, values: Values, broker: Broker, issuers: Mapping[SignInKind, Issuer]) -> None:
        self._values = values
        self._broker = broker
        self._issuers = issuers
        self._last_good: dict[ProviderKey, _LastGood] = {}
        self._faults: dict[ProviderKey, Problem] = {}

    def want(self, sign_ins: Mapping[ProviderKey, SignIn]) -> None:
        """Has the stores hold the values, and clouds issue what can be asked for with those that are there."""
        self._values.want(reference for sign_in in sign_ins.values() for reference in sign_in.references)
        before = self._last_good
        self._renew_last_good(sign_ins)
        wanted = {key: last.application for key, last in self._last_good.items() if last.application}
        recreated = {key for key in wanted if key in before and before[key].sign_in.uid != sign_ins[key].uid}
        if recreated:
            # The broker knows no uids: what it takes for a rotated value would leave the former one's credential.
            self._broker.want({key: application for key, application in wanted.items() if key not in recreated})
        self._broker.want(wanted)

    def pending(self, sign_ins: Mapping[ProviderKey, SignIn]) -> bool:
        """Whether some value or credential has not been looked at yet: a snapshot made now would lack its provider."""
        if self._values.pending(reference for sign_in in sign_ins.values() for reference in sign_in.references):
            return True
        asked = (self._broker.read(key) for key, last in self._last_good.items() if last.application)
        return any(brokered.issued is None and brokered.fault is None for brokered in asked)

    def gather(self, sign_ins: Mapping[ProviderKey, SignIn]) -> dict[ProviderKey, CredentialState]:
        """Without I/O. A provider whose values are at fault keeps what last worked, with the fault beside it."""
        self._renew_last_good(sign_ins)
        return {provider: self._state(provider, sign_in) for provider, sign_in in sign_ins.items()}

    def issued(self, provider: ProviderKey) -> Credential | None:
        """What the provider's cloud has issued last, if it is good still."""
        issued = self._broker.read(provider).issued
        return None if issued is None else issued.credential

    def values(self, provider: ProviderKey) -> Mapping[str, Secret] | None:
        """The last good values that the provider is signed in to with, by field name; None where there are none.

        Beside a static credential, a forward proxy's user and password are among them.
        """
        last = self._last_good.get(provider)
        if last is None or last.application is not None:
            return None if last is None or last.application is None else last.application.values
        found = _values(last.credential)
        if last.proxy is not None:
            found |= {"username": last.proxy.username, "password": last.proxy.password}
        return found

    def _renew_last_good(self, sign_ins: Mapping[ProviderKey, SignIn]) -> None:
        kept: dict[ProviderKey, _LastGood] = {}
        self._faults = {}
        for provider, sign_in in sign_ins.items():
            last = self._last_good.get(provider)
            if last is not None and last.sign_in == sign_in:
                kept[provider] = last
            made = self._made(sign_in)
            if isinstance(made, Problem):
                self._faults[provider] = made
            else:
                kept[provider] = made
        self._last_good = kept

    def _state(self, provider: ProviderKey, sign_in: SignIn) -> CredentialState:
        last, problem = self._last_good.get(provider), self._faults.get(provider)
        if last is None:
            # What a forward proxy asks for is not known: nothing could be sent.
            issued_elsewhere = sign_in.grant is not None and sign_in.problem is None and not sign_in.proxy
            return CredentialState(credential=None, problem=problem, issued=issued_elsewhere)
        problem = problem or self._stale(sign_in)
        if last.application is None:
            return CredentialState(credential=last.credential, proxy=last.proxy, problem=problem)
        brokered = self._broker.read(provider)
        if brokered.fault is not None and not (brokered.issued and brokered.fault.throttled):
            problem = problem or fault_problem(brokered.fault, brokered.since, _place(brokered.fault, sign_in.path))
        issued = brokered.issued
        if issued is None:
            problem = problem or _not_issued(sign_in)
            return CredentialState(credential=None, proxy=last.proxy, problem=problem, issued=True)
        return CredentialState(
            credential=issued.credential,
            proxy=last.proxy,
            problem=problem,
            issued=True,
            note=issued.note,
            whole=issued.whole,
        )

    def _made(self, sign_in: SignIn) -> _LastGood | Problem:
        if sign_in.problem is not None:
            return sign_in.problem
        proxy = self._proxy_credential(sign_in) if sign_in.proxy else None
        if sign_in.grant is not None:
            application = self._application(sign_in, sign_in.grant)
            if isinstance(application, Problem):
                return application
            return proxy if isinstance(proxy, Problem) else _LastGood(sign_in, None, application, proxy)
        credential = self._issuers[sign_in.kind].issue(sign_in, self._values.read)
        if isinstance(credential, Problem):
            return credential
        return proxy if isinstance(proxy, Problem) else _LastGood(sign_in, credential, None, proxy)

    def _application(self, sign_in: SignIn, grant: Grant) -> Application | Problem:
        values: dict[str, Secret] = {}
        for name, reference in sign_in.values.items():
            read = self._values.read_text if name in _LONG_VALUES else self._values.read
            value = read(reference, FieldPath(value_path(sign_in.path, name)))
            if isinstance(value, Problem):
                return value
            values[name] = value
        return Application(grant=grant, values=values)

    def _proxy_credential(self, sign_in: SignIn) -> ProxyCredential | Problem:
        read = {name: self._values.read(ref, FieldPath(f"{_PROXY}.{name}")) for name, ref in sign_in.proxy.items()}
        username, password = read["username"], read["password"]
        if isinstance(username, Problem):
            return username
        if isinstance(password, Problem):
            return password
        if ":" in username.reveal():
            return Problem(
                reason=Reason.SECRET_MALFORMED,
                field=f"{_PROXY}.username",
                message=f"{described(sign_in.proxy['username'])}, has a colon, which no user of HTTP Basic can have. "
                "Does it hold user and password together?",
            )
        return Basic(username=username, password=password)

    def _stale(self, sign_in: SignIn) -> Problem | None:
        named: list[tuple[Reference, str]] = [
            *((reference, value_path(sign_in.path, name)) for name, reference in sign_in.values.items()),
            *((reference, f"{_PROXY}.{name}") for name, reference in sign_in.proxy.items()),
        ]
        found = (self._values.stale(reference, FieldPath(field)) for reference, field in named)
        return next((problem for problem in found if problem is not None), None)


def _values(credential: Credential | None) -> dict[str, Secret]:
    """What a static credential was made of."""
    match credential:
        case AccessKey():
            values = {
                "accessKeyId": Secret(credential.access_key_id),
                "secretAccessKey": credential.secret_access_key,
            }
            token = credential.session_token
            return values if token is None else {**values, "sessionToken": token}
        case APIKey():
            return {"apiKey": credential.key}
        case _:
            return {}


def _place(fault: Fault, path: str) -> str:
    """Roles stand beside the kind of sign-in, its own fields in it."""
    if fault.field.startswith("roles["):
        return f"{path.rpartition('.')[0]}.{fault.field.replace('roles', 'assumeRole', 1)}"
    return f"{path}.{fault.field}" if fault.field else path


def _not_issued(sign_in: SignIn) -> Problem:
    return Problem(reason=Reason.PENDING, message="no credential has been issued yet", field=sign_in.path)
