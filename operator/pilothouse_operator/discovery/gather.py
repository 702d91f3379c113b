"""What compilations are given of accounts: who is asked, with which values, and what came of it. No I/O."""

from collections.abc import Callable, Mapping

from pilothouse_api.conditions import Problem
from pilothouse_api.names import ProviderKey
from pilothouse_api.secret import Secret
from pilothouse_operator.compile.accounts import Discovery as Wanted
from pilothouse_operator.compile.discovered import Discovered
from pilothouse_operator.ports import Discovery, Inquiry, Surveyed
from pilothouse_operator.timestamps import timestamp

Values = Callable[[ProviderKey], Mapping[str, Secret] | None]
"""What a provider is signed in to with; None: there is nothing yet."""


def want(wanted: Mapping[ProviderKey, Wanted], values: Values, discovery: Discovery) -> None:
    """Has the accounts listed that can be, and of which there is something to sign in with."""
    inquiries: dict[ProviderKey, Inquiry] = {}
    for provider, one in wanted.items():
        found = None if isinstance(one.account, Problem) else values(provider)
        if found is not None and not isinstance(one.account, Problem):
            inquiries[provider] = Inquiry(account=one.account, interval_s=one.interval_s, values=found)
    discovery.want(inquiries)


def pending(wanted: Mapping[ProviderKey, Wanted], values: Values, discovery: Discovery) -> bool:
    """Whether some account that is asked has not answered in any way yet."""
    return any(
        not isinstance(one.account, Problem) and values(provider) is not None and _unanswered(discovery.read(provider))
        for provider, one in wanted.items()
    )


def gather(wanted: Mapping[ProviderKey, Wanted], discovery: Discovery) -> dict[ProviderKey, Discovered]:
    """As it stands."""
    return {
        provider: Discovered(problem=one.account)
        if isinstance(one.account, Problem)
        else _discovered(discovery.read(provider))
        for provider, one in wanted.items()
    }


def _unanswered(surveyed: Surveyed) -> bool:
    return surveyed.models is None and surveyed.fault is None


def _discovered(surveyed: Surveyed) -> Discovered:
    fault = surveyed.fault
    if fault is None:
        return Discovered(models=surveyed.models, notes=surveyed.notes)
    message = f"{fault.message.removesuffix('.')} (since {timestamp(surveyed.since)})"
    return Discovered(
        models=surveyed.models, notes=surveyed.notes, problem=Problem(reason=fault.reason, message=message)
    )
