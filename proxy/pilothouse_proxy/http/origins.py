"""URLs of upstreams, taken apart once. Pure."""

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from pilothouse_proxy.http.messages import Origin

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Base(NamedTuple):
    """A URL that requests start from."""

    origin: Origin
    path: str
    """As written, without a trailing slash; empty for the root."""


@lru_cache(maxsize=1_024)
def base(url: str, *, connect_timeout_ms: int, pool_size: int, ca_bundle: str | None) -> Base:
    """Where `url` leads. The same arguments give the same object.

    Raises:
        ValueError: not a plain http or https URL (a user, a query, a fragment, no host, an impossible port).
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("the URL of a provider holds characters that no URL may hold")
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("the URL of a provider is no http or https URL with a host")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("the URL of a provider takes no user, query or fragment")
    origin = Origin(
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port or _DEFAULT_PORTS[parts.scheme],
        ca_bundle=ca_bundle,
        connect_timeout_s=connect_timeout_ms / 1_000,
        pool_size=pool_size,
    )
    return Base(origin, parts.path.rstrip("/"))


@lru_cache(maxsize=1_024)
def authority(scheme: str, host: str, port: int) -> str:
    """The value of `Host`: the port stands in it unless it is the scheme's own."""
    name = f"[{host}]" if ":" in host else host
    return name if _DEFAULT_PORTS.get(scheme) == port else f"{name}:{port}"
