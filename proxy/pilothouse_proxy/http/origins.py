"""URLs of upstreams, taken apart once. Pure."""

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from pilothouse_api.secret import Secret
from pilothouse_proxy.http.messages import Origin, Proxy

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Base(NamedTuple):
    """A URL that requests start from."""

    origin: Origin
    path: str
    """As written, without a trailing slash; empty for the root."""


@lru_cache(maxsize=1_024)
def base(
    url: str, *, connect_timeout_ms: int, pool_size: int, ca_bundle: str | None, proxy: Proxy | None = None
) -> Base:
    """Where `url` leads. The same arguments give the same object.

    Raises:
        ValueError: not a plain http or https URL (a user, a query, a fragment, no host, an impossible port).
    """
    scheme, host, port, path = _taken_apart(url, "a provider")
    origin = Origin(
        scheme=scheme,
        host=host,
        port=port,
        ca_bundle=ca_bundle,
        connect_timeout_s=connect_timeout_ms / 1_000,
        pool_size=pool_size,
        proxy=proxy,
    )
    return Base(origin, path)


def proxy(url: str, *, ca_bundle: str | None, authorization: Secret | None) -> Proxy:
    """The proxy that `url` names.

    Raises:
        ValueError: as `base`, or the URL has a path.
    """
    scheme, host, port, path = _taken_apart(url, "a proxy")
    if path:
        raise ValueError("the URL of a proxy takes no path")
    return Proxy(scheme=scheme, host=host, port=port, ca_bundle=ca_bundle, authorization=authorization)


def _taken_apart(url: str, whose: str) -> tuple[str, str, int, str]:
    """Scheme, host, port and path, that without trailing slashes."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"the URL of {whose} holds characters that no URL may hold")
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"the URL of {whose} is no http or https URL with a host")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError(f"the URL of {whose} takes no user, query or fragment")
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme], parts.path.rstrip("/")


def endpoint(host: str, port: int) -> str:
    """`host:port`, with the brackets that an IPv6 address needs."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@lru_cache(maxsize=1_024)
def authority(scheme: str, host: str, port: int) -> str:
    """The value of `Host`: the port stands in it unless it is the scheme's own."""
    name = f"[{host}]" if ":" in host else host
    return name if _DEFAULT_PORTS.get(scheme) == port else f"{name}:{port}"
