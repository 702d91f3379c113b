"""The value of a reference, from wherever it is kept, or what is wrong with the field that names it."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.compile.identities import (
    Address,
    AWSParameterAddress,
    AWSSecretAddress,
    GoogleSecretAddress,
    KeyVaultAddress,
    VaultAddress,
)
from pilothouse_operator.compile.world import Reference, SecretRef, StoredRef, value_path
from pilothouse_operator.ports import (
    Fault,
    FieldPath,
    SecretAbsent,
    SecretState,
    SecretStore,
    Stored,
    StoredSecrets,
    Wish,
)
from pilothouse_operator.timestamps import timestamp

_REASONS = {
    SecretState.PENDING: Reason.PENDING,
    SecretState.NOT_FOUND: Reason.SECRET_NOT_FOUND,
    SecretState.FORBIDDEN: Reason.SECRET_FORBIDDEN,
    SecretState.UNAVAILABLE: Reason.STORE_UNAVAILABLE,
}

# Servers take header fields of 8 to 16 KiB in all.
_LONGEST = 8_192
_LONGEST_TEXT = 65_536

_STORES: Mapping[type[Address], str] = {
    AWSSecretAddress: "spec.secretStores.aws",
    AWSParameterAddress: "spec.secretStores.aws",
    KeyVaultAddress: "spec.secretStores.azureKeyVault",
    GoogleSecretAddress: "spec.secretStores.gcp",
    VaultAddress: "spec.secretStores.vault",
}

_SignIn = tuple[tuple[str, Secret], ...]


class Values:
    """Kubernetes Secrets and stores outside the cluster as one. Without I/O: both are read as last seen."""

    def __init__(self, *, secrets: SecretStore, stored: StoredSecrets) -> None:
        self._secrets = secrets
        self._stored = stored

    def want(self, references: Iterable[Reference]) -> None:
        """What to hold from now on. A store is asked once the Secrets that signing in to it takes are there."""
        references = frozenset(references)
        self._secrets.want(frozenset((ref.namespace, ref.name) for ref in _in_cluster(references)))
        self._stored.want(
            frozenset(
                Wish(address=ref.address, refresh_s=ref.refresh_s, sign_in=sign_in)
                for ref in references
                if isinstance(ref, StoredRef) and not isinstance(sign_in := self._sign_in(ref), Problem)
            )
        )

    def pending(self, references: Iterable[Reference]) -> bool:
        """Whether something has not been looked at yet."""
        found = (self.read(reference, FieldPath("")) for reference in references)
        return any(isinstance(value, Problem) and value.reason is Reason.PENDING for value in found)

    def read(self, reference: Reference, field: FieldPath) -> Secret | Problem:
        """A value that can be sent in a header, without white space around it."""
        return self._checked(reference, field, _header_fault)

    def read_text(self, reference: Reference, field: FieldPath) -> Secret | Problem:
        """A value that may have several lines: a certificate with its key."""
        return self._checked(reference, field, _text_fault)

    def stale(self, reference: Reference, field: FieldPath) -> Problem | None:
        """Why a value that is there is an old one. That a store asks us to slow down is no reason."""
        if isinstance(reference, SecretRef):
            return None
        sign_in = self._sign_in(reference)
        if isinstance(sign_in, Problem):
            return sign_in
        stored = self._stored.read(reference.address, sign_in)
        if stored.value is None or (stored.fault is not None and stored.fault.throttled):
            return None
        return _store_problem(stored, reference, field)

    def _checked(self, reference: Reference, field: FieldPath, fault: Callable[[str], str]) -> Secret | Problem:
        where = described(reference)
        value = (
            self._in_secret(reference, field) if isinstance(reference, SecretRef) else self._in_store(reference, field)
        )
        if isinstance(value, Problem):
            return value
        wrong = "is not UTF-8 text" if value is None else fault(value.reveal().strip())
        if wrong or value is None:
            message = f"{where}, {wrong}: write the value again."
            return Problem(reason=Reason.SECRET_MALFORMED, message=message, field=field)
        return Secret(value.reveal().strip())

    def _in_secret(self, reference: SecretRef, field: FieldPath) -> Secret | Problem | None:
        content = self._secrets.read(reference.namespace, reference.name)
        if isinstance(content, SecretAbsent):
            return Problem(reason=_REASONS[content.state], message=content.message, field=field)
        if reference.key not in content.values:
            return Problem(
                reason=Reason.SECRET_KEY_MISSING,
                message=f"Secret {reference.namespace}/{reference.name} has no key {reference.key!r}: add it to the "
                f"Secret, or name another in {field}.",
                field=field,
            )
        return content.values[reference.key]

    def _in_store(self, reference: StoredRef, field: FieldPath) -> Secret | Problem:
        sign_in = self._sign_in(reference)
        if isinstance(sign_in, Problem):
            return sign_in
        stored = self._stored.read(reference.address, sign_in)
        if stored.value is not None:
            return _member(stored.value, reference, field) if reference.key else stored.value
        problem = _store_problem(stored, reference, field)
        if problem is not None:
            return problem
        message = f"{_address(reference.address)} has not been read yet"
        return Problem(reason=Reason.PENDING, message=message, field=field)

    def _sign_in(self, reference: StoredRef) -> _SignIn | Problem:
        found: list[tuple[str, Secret]] = []
        for name, ref in reference.sign_in:
            value = self.read_text(ref, FieldPath(value_path(reference.sign_in_path, name)))
            if isinstance(value, Problem):
                return value
            found.append((name, value))
        return tuple(found)


def fault_problem(fault: Fault, since: float, field: str) -> Problem:
    """What a condition says of a fault, and since when."""
    message = f"{fault.message.removesuffix('.')} (since {timestamp(since)})"
    return Problem(reason=fault.reason, message=message, field=field)


def _store_problem(stored: Stored, reference: StoredRef, field: str) -> Problem | None:
    """Named by the value's field, or by that of `secretStores` which is at fault."""
    if stored.fault is None:
        return None
    store = _STORES[type(reference.address)]
    match stored.fault.field.partition("["):
        case ("", _, _):
            where = field
        case ("roles", _, rest):
            where = f"{store}.assumeRole[{rest}"
        case (("server" | "caBundle" | "impersonate") as name, _, _):
            where = f"{store}.{name}"
        case _:
            where = f"{store}.auth"
    return fault_problem(stored.fault, stored.since, where)


def described(reference: Reference) -> str:
    """The reference as a reader knows it."""
    if isinstance(reference, SecretRef):
        return f"Secret {reference.namespace}/{reference.name}, key {reference.key!r}"
    address = _address(reference.address)
    return f"{address}, member {reference.key!r}" if reference.key else address


def _address(address: Address) -> str:
    match address:
        case AWSSecretAddress():
            return f"secret {address.secret_id} of AWS Secrets Manager in {address.region}"
        case AWSParameterAddress():
            return f"parameter {address.name} of AWS in {address.region}"
        case KeyVaultAddress():
            return f"secret {address.name} of the Key Vault {address.vault_url}"
        case GoogleSecretAddress():
            return f"secret {address.secret} of the Google project {address.project}"
        case VaultAddress():
            return f"secret {address.mount}/{address.path} of the Vault {address.server}"


def _in_cluster(references: frozenset[Reference]) -> Iterator[SecretRef]:
    for reference in references:
        if isinstance(reference, SecretRef):
            yield reference
        else:
            yield from (ref for _, ref in reference.sign_in)


def _member(value: Secret, reference: StoredRef, field: FieldPath) -> Secret | Problem:
    where = _address(reference.address)
    try:
        members = json.loads(value.reveal())
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        message = f"{where} holds no JSON object, and so no member {reference.key!r}: leave the member out in {field}."
        return Problem(reason=Reason.SECRET_MALFORMED, message=message, field=field)
    found = members.get(reference.key)
    if isinstance(found, str):
        return Secret(found)
    if found is None:
        message = f"{where} has no member {reference.key!r}: add it there, or name another in {field}."
        return Problem(reason=Reason.SECRET_KEY_MISSING, message=message, field=field)
    message = f"{where}, member {reference.key!r}, is no text: write it as a JSON string."
    return Problem(reason=Reason.SECRET_MALFORMED, message=message, field=field)


def _header_fault(text: str) -> str:
    """What keeps the value out of an HTTP header; white space around it (an editor's last newline) does not."""
    if fault := _text_fault(text, longest=_LONGEST):
        return fault
    if not text.isprintable():
        return "has a line break or control character inside; does it hold more than one value?"
    return ""


def _text_fault(text: str, *, longest: int = _LONGEST_TEXT) -> str:
    if not text:
        return "is empty"
    if len(text) > longest:
        return f"is longer than any credential: more than {longest} characters"
    if not text.isascii():
        return "has a character outside ASCII, which no credential has"
    return ""
