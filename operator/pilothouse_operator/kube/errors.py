"""What can come of a call to the API server.

KubeError
├── Unavailable    nobody knows: no connection, no answer in time, 429 or 5xx until the deadline, a broken stream
├── Unauthorized   401, also after signing in anew
├── Forbidden      403: a right is missing
├── NotFound       404: no such object, or its kind is not served
├── AlreadyExists  409 to a create
├── Conflict       409: an older resourceVersion, or fields that others own
├── Gone           410: that version is no longer kept; list anew
└── Invalid        400, 413, 415, 422 and all other 4xx: the request itself is at fault
"""

import re
from collections.abc import Mapping
from typing import Any

_MANAGER = re.compile(r'conflict with "([^"]*)"')
_LONGEST = 512


class KubeError(Exception):
    """The message names the call and what the server said of it."""


class Unavailable(KubeError, ConnectionError):
    """`retry_after_s` as the server asked, 0 when it did not."""

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unauthorized(KubeError):
    """Our own sign-in was refused."""


class Forbidden(KubeError):
    """A right is missing; the message names verb, resource and account."""


class NotFound(KubeError):
    """No such object, or its kind is not served."""


class AlreadyExists(KubeError):
    """An object of that name is there."""


class Conflict(KubeError):
    """`managers` own fields that a server-side apply wanted; empty when the resourceVersion was old."""

    def __init__(self, message: str, managers: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.managers = managers


class Gone(KubeError):
    """The resourceVersion or continue token is no longer kept."""


class Invalid(KubeError):
    """The request itself is at fault; repeating it changes nothing."""


def of_status(code: int, what: str, status: Mapping[str, Any], said: str) -> KubeError:
    """The error of an HTTP status. `status` is the body (a `v1.Status`), `what` the call; `said` may be shown."""
    message = f"{what}: {said[:_LONGEST] or status.get('reason') or 'no reason given'} ({code})"
    match code:
        case 401:
            return Unauthorized(message)
        case 403:
            return Forbidden(message)
        case 404:
            return NotFound(message)
        case 409 if status.get("reason") == "AlreadyExists":
            return AlreadyExists(message)
        case 409:
            return Conflict(message, _managers(status))
        case 410:
            return Gone(message)
        case 429:
            return Unavailable(message)
        case _ if code >= 500:
            return Unavailable(message)
        case _:
            return Invalid(message)


def _managers(status: Mapping[str, Any]) -> frozenset[str]:
    """Each conflicting field is a cause: `conflict with "name" with subresource "status" using group/version`."""
    causes = (status.get("details") or {}).get("causes") or []
    found = (_MANAGER.search(cause.get("message") or "") for cause in causes)
    return frozenset(match[1] for match in found if match)
