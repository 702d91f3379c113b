"""Roles, keys and sessions, and what was asked; tests set them and look at them."""

from __future__ import annotations

import itertools
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import jwt

ISSUER: Final = "https://oidc.eks.eu-central-1.amazonaws.com/id/SIMULATOR"
AUDIENCE: Final = "sts.amazonaws.com"
SUBJECT: Final = "system:serviceaccount:pilothouse:pilothouse-operator"
USER: Final = "arn:aws:iam::111111111111:user/simulator"
ACCESS_KEY_ID: Final = "AKIAIDENTITY00000001"
SECRET_ACCESS_KEY: Final = "identity/Secret+AccessKey000000000000001"
_SIGNING_KEY: Final = "the key of the simulated cluster's issuer"


@dataclass(slots=True, kw_only=True)
class Role:
    """`trusted`: ARNs of users and roles. `subject`: of the OpenID Connect tokens that it takes; none if empty."""

    arn: str
    trusted: tuple[str, ...] = ()
    subject: str = ""
    external_id: str = ""
    tagging: bool = True
    """Whether the trust policy allows sts:TagSession."""
    longest_s: int = 3_600


@dataclass(slots=True, kw_only=True)
class Holder:
    """Whoever holds a key: a user, or a session of a role with what it was asked for with."""

    arn: str
    access_key_id: str
    secret_access_key: str
    token: str = ""
    expires_at: float | None = None
    role_arn: str = ""
    session_name: str = ""
    policy: str = ""
    duration_s: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()
    revoked: bool = False
    denied: bool = False
    """A policy of the role denies everything to whatever is as old: so the console revokes sessions."""


@dataclass(slots=True, kw_only=True)
class Trouble:
    """What the next request meets: an error, silence (status 0), or a page of whatever stands in between (`page`)."""

    status: int
    code: str = ""
    message: str = "simulated"
    retry_after: str = ""
    page: str = ""


class Account:
    def __init__(self) -> None:
        self.roles: dict[str, Role] = {}
        self.holders: dict[str, Holder] = {}
        self.sessions: list[Holder] = []
        """Every session that was given, in order."""
        self.troubles: deque[Trouble | None] = deque()
        """What the next requests meet; None lets one pass."""
        self.packed_chars = 4_096
        """Session policy and tags may have so many characters together. AWS packs them, and does not tell how."""
        self.life_s: float | None = None
        """Sessions end so soon, whatever was asked for."""
        self.requests: list[str] = []
        """Actions of STS and paths of the endpoints, in order."""
        self.pod_token = "pod-identity-token-1"
        """What the endpoint of container credentials wants to see."""
        self._numbers = itertools.count(1)
        self.holders[ACCESS_KEY_ID] = Holder(arn=USER, access_key_id=ACCESS_KEY_ID, secret_access_key=SECRET_ACCESS_KEY)

    def add(self, *roles: Role) -> None:
        for role in roles:
            self.roles[role.arn] = role

    def session(self, role_arn: str, *, name: str, duration_s: int, policy: str = "") -> Holder:
        """A new session of a role."""
        number = next(self._numbers)
        account, role = role_arn.split(":")[4], role_arn.rpartition("/")[2]
        holder = Holder(
            arn=f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
            access_key_id=f"ASIAIDENTITY{number:08}",
            secret_access_key=f"identity/Session+Secret{number:017}",
            token=f"identitySessionToken//{number:08}==",
            expires_at=time.time() + (duration_s if self.life_s is None else self.life_s),
            role_arn=role_arn,
            session_name=name,
            policy=policy,
            duration_s=duration_s,
        )
        self.holders[holder.access_key_id] = holder
        self.sessions.append(holder)
        return holder


def denial(who: str, action: str, resource: str) -> str:
    """What IAM says to those whose sessions were revoked."""
    why = "with an explicit deny in an identity-based policy"
    return f"User: {who} is not authorized to perform: {action} on resource: {resource} {why}"


def service_account_token(*, subject: str = SUBJECT, audience: str = AUDIENCE, expires_in_s: float = 3_600) -> str:
    """As the kubelet writes one for a pod."""
    claims = {"iss": ISSUER, "sub": subject, "aud": [audience], "exp": int(time.time() + expires_in_s)}
    return jwt.encode(claims, _SIGNING_KEY, algorithm="HS256")


def subject_of(token: str) -> str:
    """Raises jwt.InvalidTokenError."""
    claims = jwt.decode(token, _SIGNING_KEY, algorithms=["HS256"], audience=AUDIENCE, issuer=ISSUER)
    return str(claims["sub"])
