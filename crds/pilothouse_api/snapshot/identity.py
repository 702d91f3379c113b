"""Whom a shared gateway lets in. Sidecars need none: whoever reaches their loopback is the pod's ServiceAccount."""

from typing import Any

import msgspec


class Issuer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Signers of ServiceAccount tokens: RFC 7517 keys, checked offline."""

    issuer: str
    audience: str
    keys: tuple[dict[str, Any], ...]


class KeyHolder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who an API key stands for."""

    namespace: str
    user: str
    team: str | None = None
    tier: str | None = None


class Identity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`api_keys` by the lower-case hexadecimal SHA-256 of the key."""

    issuers: tuple[Issuer, ...] = ()
    api_keys: dict[str, KeyHolder] = {}
    anonymous: KeyHolder | None = None
    """Who a caller without a key is. Only `pilothouse up` on a loopback address sets it, never the cluster."""
