"""API keys of callers, from labelled Secrets → what a snapshot carries: hashes and whom they stand for. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.names import GROUP
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.identity import KeyHolder

TYPE_LABEL = f"{GROUP}/type"
TYPE_API_KEY = "api-key"
USER_LABEL = f"{GROUP}/user"
TEAM_LABEL = f"{GROUP}/team"
TIER_LABEL = f"{GROUP}/tier"
KEY = "key"
SHORTEST = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySecret:
    """One labelled Secret."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    values: Mapping[str, Secret | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holders:
    """`keys` by the lower-case hexadecimal SHA-256 of the API key."""

    keys: Mapping[str, KeyHolder]
    problems: tuple[Problem, ...]


def is_api_key(labels: Mapping[str, str]) -> bool:
    """Whether a Secret with these labels holds the API key of a caller."""
    return labels.get(TYPE_LABEL) == TYPE_API_KEY


def holders(secrets: Iterable[KeySecret]) -> Holders:
    """In the order of namespace and name: of two Secrets with one key the first counts, the other is reported."""
    keys: dict[str, KeyHolder] = {}
    problems: list[Problem] = []
    for secret in sorted(secrets, key=lambda secret: (secret.namespace, secret.name)):
        where = f"Secret {secret.namespace}/{secret.name}"
        value = _usable(secret, where)
        if isinstance(value, Problem):
            problems.append(value)
            continue
        digest = hashlib.sha256(value.reveal().encode()).hexdigest()
        if digest in keys:
            message = f"{where}: another Secret holds the same API key already; give each caller a key of its own"
            problems.append(Problem(reason=Reason.CONFLICTED, message=message, field=f"data.{KEY}"))
            continue
        keys[digest] = KeyHolder(
            namespace=secret.namespace,
            user=secret.labels.get(USER_LABEL) or secret.name,
            team=secret.labels.get(TEAM_LABEL) or None,
            tier=secret.labels.get(TIER_LABEL) or None,
        )
    return Holders(keys=keys, problems=tuple(problems))


def _usable(secret: KeySecret, where: str) -> Secret | Problem:
    """The key without surrounding white space: a final newline is what `echo` leaves, and no header can carry it."""
    field = f"data.{KEY}"
    if KEY not in secret.values:
        message = f"{where} has the label {TYPE_LABEL}={TYPE_API_KEY} but no key named {KEY}; add it"
        return Problem(reason=Reason.SECRET_KEY_MISSING, message=message, field=field)
    value = secret.values[KEY]
    text = value.reveal().strip() if value is not None else ""
    if len(text) < SHORTEST or not text.isascii() or not text.isprintable() or " " in text:
        message = f"{where}: the API key must be at least {SHORTEST} visible ASCII characters without spaces"
        return Problem(reason=Reason.SECRET_MALFORMED, message=message, field=field)
    return Secret(text)
