"""The chain of checks that a route's target passes. The first that finds something settles the target.

Their order is what a reader may know: across namespaces, whether the provider exists at all is told only to those whom
its `access` permits, else the status would be an oracle for other namespaces.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.names import ProviderKey
from pilothouse_api.resources.route import TargetSpec
from pilothouse_api.snapshot.providers import Model
from pilothouse_operator.compile.access import Namespaces, permits
from pilothouse_operator.compile.backends import Backend


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One target of a route, with the provider that it refers to (None: there is none)."""

    target: TargetSpec
    path: str
    """Of the target: `spec.targets[1]`."""
    namespace: str
    """Of the route."""
    asked: tuple[str, ...]
    """The route's `models`."""
    provider: ProviderKey
    backend: Backend | None
    namespaces: Namespaces


Check = Callable[[Candidate], Problem | None]


def permitted(it: Candidate) -> Problem | None:
    """The provider is of the route's namespace, or its `access` says yes."""
    owner = it.target.provider_ref.namespace or it.namespace
    if owner == it.namespace:
        return None
    spec = it.backend.reading.spec if it.backend is not None else None
    if spec is not None and permits(spec.access, owner=owner, user=it.namespace, namespaces=it.namespaces):
        return None
    return Problem(
        reason=Reason.REF_NOT_PERMITTED,
        message=f"LLMProvider {it.provider} does not exist, or its access does not permit namespace {it.namespace}",
        field=f"{it.path}.providerRef",
    )


def found(it: Candidate) -> Problem | None:
    """There is such a provider."""
    if it.backend is not None:
        return None
    return Problem(
        reason=Reason.PROVIDER_NOT_FOUND,
        message=f"there is no LLMProvider {it.provider}",
        field=f"{it.path}.providerRef",
    )


def accepted(it: Candidate) -> Problem | None:
    """The provider can be used at all."""
    if it.backend is None or it.backend.provider is not None:
        return None
    return Problem(
        reason=Reason.PROVIDER_NOT_ACCEPTED,
        message=f"LLMProvider {it.provider} is not accepted: its condition Accepted says why",
        field=f"{it.path}.providerRef",
    )


def names_a_model(it: Candidate) -> Problem | None:
    """The provider has the model that the target names, or any that clients may ask.

    As long as an account that is to be listed has not been, it may have any.
    """
    known = _known_models(it)
    if not known:
        return _nothing_listed(it)
    if it.target.model is not None:
        wanted, field = [it.target.model] if it.target.model not in known else [], f"{it.path}.model"
    else:
        wanted, field = [] if _served(it) else list(it.asked), it.path
    return _missing(it, wanted, field)


def signs_in(it: Candidate) -> Problem | None:
    """The provider has a credential, or is to be issued one: proxies may have one that lives."""
    return None if it.backend is None or it.backend.state.issued else has_credential(it)


def has_credential(it: Candidate) -> Problem | None:
    """The provider has a credential."""
    if it.backend is None or it.backend.state.credential is not None:
        return None
    problem = it.backend.state.problem
    waiting = problem is not None and problem.reason is Reason.PENDING
    return Problem(
        reason=Reason.PENDING if waiting else Reason.CREDENTIALS_NOT_READY,
        message=f"LLMProvider {it.provider} has no credential{' yet' if waiting else ''}: its condition "
        "CredentialsReady says why",
        field=f"{it.path}.providerRef",
    )


def serves_all_names(it: Candidate) -> Problem | None:
    """The target, passing names as they are asked, has a model for each name that the route lists."""
    known = _known_models(it)
    if not known or it.target.model is not None:
        return None
    return _missing(it, [name for name in it.asked if not _matches(name, known)], it.path)


OBSTACLES: tuple[Check, ...] = (permitted, found, accepted, names_a_model, signs_in)
"""A target that one of them finds fault with is left out."""
SHORTCOMINGS: tuple[Check, ...] = (has_credential, serves_all_names)
"""A target that only these find fault with still serves what it can, and where it can."""


def first_problem(it: Candidate, checks: tuple[Check, ...]) -> Problem | None:
    """What the first of the checks finds."""
    for check in checks:
        problem = check(it)
        if problem is not None:
            return problem
    return None


def _known_models(it: Candidate) -> Mapping[str, Model]:
    if it.backend is None or it.backend.provider is None or it.backend.provider.unlisted:
        return {}
    return it.backend.provider.models


def _nothing_listed(it: Candidate) -> Problem | None:
    """An account that has been listed and has nothing is not one that serves whatever is asked."""
    if it.backend is None or it.backend.listing is None:
        return None
    return Problem(
        reason=Reason.MODEL_NOT_FOUND,
        message=f"LLMProvider {it.provider} has no model that can be called: its condition Discovered says why",
        field=f"{it.path}.providerRef",
    )


def _matches(asked: str, known: Mapping[str, Model]) -> bool:
    if asked.endswith("*"):
        return any(name.startswith(asked[:-1]) for name in known)
    return asked in known


def _served(it: Candidate) -> bool:
    known = _known_models(it)
    return any(_matches(name, known) for name in it.asked)


def _missing(it: Candidate, names: list[str], field: str) -> Problem | None:
    if not names:
        return None
    return Problem(
        reason=Reason.MODEL_NOT_FOUND,
        message=f"LLMProvider {it.provider} has no model {', '.join(names)} among its models",
        field=field,
    )
