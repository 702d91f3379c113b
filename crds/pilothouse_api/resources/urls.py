"""URLs of endpoints: http or https, without credentials, query or fragment."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from pilothouse_api.resources.rules import Checked, Rule

URL_PATTERN = r"^https?://[A-Za-z0-9.:\[\]_-]+(/[A-Za-z0-9._~%!$&'()*+,;=:@/-]*)?$"

PROXY_PATTERN = r"^https?://([^/?#\s]*@)?[A-Za-z0-9.:\[\]_-]+/?$"
"""Lets a user through: that it must not be there is said better by a rule."""


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return bool(parts.hostname) and (parts.port is None or parts.port >= 0)
    except ValueError:
        return False


IS_URL = Rule(
    cel="isURL(self) && url(self).getHostname() != ''",
    message="must be a URL such as https://host or https://host:port/path",
    holds=_is_url,
)
HOST_ONLY = Rule(
    cel="!isURL(self) || url(self).getEscapedPath() in ['', '/']",
    message="must end with the host: https://host, without a path",
    holds=lambda value: not _is_url(value) or urlsplit(value).path in {"", "/"},
)

NO_USER = Rule(
    cel="!self.contains('@')",
    message="must hold no user and no password: keep them in a Secret, and name it in auth.basic",
    holds=lambda value: "@" not in value,
)

_Form = Field(max_length=2048, pattern=URL_PATTERN)
HostURL = Annotated[str, _Form, Checked(IS_URL, HOST_ONLY)]
"""Scheme and host, perhaps a port."""
BasePathURL = Annotated[str, _Form, Checked(IS_URL)]
"""May have a path."""
ProxyURL = Annotated[str, Field(max_length=2048, pattern=PROXY_PATTERN), Checked(NO_USER, IS_URL)]
"""Scheme and host of a forward proxy, perhaps a port."""


def normalised(value: str) -> str:
    """Scheme and host in lower case, default port and trailing slashes dropped: one URL, one text."""
    parts = urlsplit(value)
    host = (parts.hostname or "").lower()
    netloc = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme.lower()]
    if parts.port not in (None, default):
        netloc = f"{netloc}:{parts.port}"
    return f"{parts.scheme.lower()}://{netloc}{parts.path.rstrip('/')}"
