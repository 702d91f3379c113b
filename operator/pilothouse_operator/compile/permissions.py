"""Whether a provider may make use of what the operator itself is to the clouds.

Whoever writes a manifest could otherwise read every secret that the operator can, or have its tokens sent to a server
of their own.
"""

from collections.abc import Iterable

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.resources import urls
from pilothouse_operator.compile.ways import OwnUse
from pilothouse_operator.compile.world import IdentityAccess


def refusal(uses: Iterable[OwnUse], *, namespace: str, access: IdentityAccess) -> Problem | None:
    """The first use that `access` does not permit."""
    endpoints = None if access.endpoints is None else {urls.normalised(url) for url in access.endpoints}
    for use in uses:
        if access.namespaces is not None and namespace not in access.namespaces:
            return _problem(
                use.field,
                f"the operator's own identity is not for providers of namespace {namespace}: sign in with a credential "
                "of your own, or have whoever runs the operator permit the namespace",
            )
        for shown in use.shown:
            if endpoints is not None and urls.normalised(shown.url) not in endpoints:
                return _problem(
                    shown.field,
                    "would be shown the operator's own identity, or what was issued with it, and is no endpoint of the "
                    "cloud itself: leave it out, sign in with a credential of your own, or have whoever runs the "
                    "operator permit the URL",
                )
    return None


def _problem(field: str, message: str) -> Problem:
    return Problem(reason=Reason.IDENTITY_NOT_PERMITTED, message=message, field=field)
