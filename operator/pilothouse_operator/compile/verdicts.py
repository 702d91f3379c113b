"""Problems → the conditions of a resource. Every condition of a kind is there from the first visit."""

from collections.abc import Sequence

from pilothouse_api.conditions import Condition, ConditionStatus, ConditionType, Problem, Reason
from pilothouse_api.resources.provider import LONGEST_NAME
from pilothouse_api.snapshot.credentials import NoCredential
from pilothouse_operator.compile.backends import Backend
from pilothouse_operator.compile.conflicts import Settled
from pilothouse_operator.compile.discovered import FoundModel
from pilothouse_operator.compile.models import Listing
from pilothouse_operator.compile.routes import Lowered
from pilothouse_operator.compile.sign_ins import kind_of
from pilothouse_operator.compile.world import Resource, Verdict

MAX_MESSAGE = 1_024
"""Characters; the API conventions' bound is 32,768, ours keeps a whole status small."""

_PASSED_ON = "until the account is listed, every name is passed on as it is asked"
_UNSEEN = "not looked at while the resource is not accepted"


def text(problem: Problem) -> str:
    """`spec.targets[1].model: what is wrong`, without a full stop: others may follow in one message."""
    message = problem.message.removesuffix(".")
    return f"{problem.field}: {message}" if problem.field else message


def summary(problems: Sequence[Problem]) -> str:
    """All problems in one message, or as many as fit and how many more there are."""
    texts = [text(problem) for problem in problems]
    whole = "; ".join(texts)
    if len(whole) <= MAX_MESSAGE:
        return whole
    shown, length = 0, 0
    for one in texts:
        length += len(one) + len("; ")
        if length + len(_rest(len(texts) - shown - 1)) > MAX_MESSAGE:
            break
        shown += 1
    if shown:
        return "; ".join(texts[:shown]) + _rest(len(texts) - shown)
    rest = _rest(len(texts) - 1)
    return f"{texts[0][: MAX_MESSAGE - len(rest) - 1]}…{rest}"


def _rest(count: int) -> str:
    return f"; and {count} more" if count else ""


def accepted(problems: Sequence[Problem], *, ignored: Sequence[str] = (), notes: Sequence[Problem] = ()) -> Condition:
    """Accepted: False for the first problem's reason; `ignored` fields and `notes` are told beside a True."""
    if problems:
        return _condition(ConditionType.ACCEPTED, ConditionStatus.FALSE, problems[0].reason, summary(problems))
    remarks = [
        Problem(reason=Reason.ACCEPTED, message="is not known to this version and has no effect", field=path)
        for path in ignored
    ]
    message = summary([*notes, *remarks]) if notes or remarks else "the resource is valid"
    return _condition(ConditionType.ACCEPTED, ConditionStatus.TRUE, Reason.ACCEPTED, message)


def of_provider(backend: Backend) -> Verdict:
    """Accepted and CredentialsReady."""
    reading = backend.reading
    spec = reading.spec
    facts: dict[str, object] = {} if spec is None else {"kind": spec.kind.value}
    if spec is not None:
        facts["credential"] = {"kind": kind_of(spec).value}
    provider, listing = backend.provider, backend.listing
    named = provider.models if provider is not None else spec.models if spec is not None else ()
    if named:
        facts["models"] = len(named)
    if listing is not None:
        facts["discovery"] = _listed(listing)
    conditions = [accepted(backend.problems, ignored=reading.ignored), _credentials_ready(backend)]
    if "discovery" in reading.resource.spec if spec is None else spec.discovery is not None:
        conditions.append(_discovered(backend))
    return Verdict(generation=reading.resource.generation, conditions=tuple(conditions), facts=facts)


def _listed(listing: Listing) -> dict[str, object]:
    counts: dict[str, object] = {
        "found": listing.found,
        "served": listing.served,
        "excluded": listing.excluded,
        "unusable": listing.unusable,
    }
    return counts | ({"quotas": [_quota(one) for one in listing.tightest]} if listing.tightest else {})


def _quota(one: FoundModel) -> dict[str, object]:
    told = {"requestsPerMinute": one.quota.requests_per_minute, "tokensPerMinute": one.quota.tokens_per_minute}
    return {"model": one.name[:LONGEST_NAME], **{name: value for name, value in told.items() if value is not None}}


def _discovered(backend: Backend) -> Condition:
    kind = ConditionType.DISCOVERED
    listing, problem = backend.listing, backend.discovered.problem
    if backend.reading.spec is None:
        return _condition(kind, ConditionStatus.UNKNOWN, Reason.PENDING, _UNSEEN)
    if problem is not None:
        stands = _PASSED_ON if listing is None else "the last list stands until this is mended"
        found = [problem, Problem(reason=problem.reason, message=stands)]
        return _condition(kind, ConditionStatus.FALSE, problem.reason, summary(found))
    if listing is None:
        message = f"the account has not been listed yet; {_PASSED_ON}"
        return _condition(kind, ConditionStatus.UNKNOWN, Reason.PENDING, message)
    left_out = [f"{number} not served: {why}" for why, number in sorted(listing.obstacles.items())]
    if listing.excluded:
        left_out.append(f"{listing.excluded} left out by include and exclude")
    told = [
        f"{listing.served} of {listing.found} models of the account are served",
        *left_out,
        *backend.discovered.notes,
    ]
    message = summary([Problem(reason=Reason.DISCOVERED, message=text) for text in told])
    return _condition(kind, ConditionStatus.TRUE, Reason.DISCOVERED, message)


def _credentials_ready(backend: Backend) -> Condition:
    kind = ConditionType.CREDENTIALS_READY
    credential, problem = backend.state.credential, backend.state.problem
    if backend.reading.spec is None:
        return _condition(kind, ConditionStatus.UNKNOWN, Reason.PENDING, _UNSEEN)
    if problem is None:
        if isinstance(credential, NoCredential) and backend.state.proxy is None:
            return _condition(kind, ConditionStatus.TRUE, Reason.NOT_NEEDED, "the provider asks for no credential")
        ready = f"the credential is ready: {backend.state.note}" if backend.state.note else "the credential is ready"
        return _condition(kind, ConditionStatus.TRUE, Reason.ISSUED, ready[:MAX_MESSAGE])
    status = ConditionStatus.UNKNOWN if problem.reason is Reason.PENDING else ConditionStatus.FALSE
    found = [problem]
    if credential is not None:
        until = "it ends" if backend.state.issued else "this is mended"
        found.append(Problem(reason=problem.reason, message=f"the last good credential serves until {until}"))
    return _condition(kind, status, problem.reason, summary(found))


def of_route(lowered: Lowered, settled: Settled, *, ignored: Sequence[str]) -> Verdict:
    """Accepted and ResolvedRefs of a route that could be read; Programmed where no proxy is needed to know it."""
    usable = len(lowered.route.targets)
    conflict = settled.problems.get(lowered.key)
    conditions = [
        accepted(() if conflict is None else (conflict,), ignored=ignored),
        _resolved(lowered.problems),
    ]
    if lowered.key not in settled.serving:
        conditions.append(_not_accepted(ConditionType.PROGRAMMED))
    elif not usable:
        message = "no target can serve, so that requests are answered with 503: the condition ResolvedRefs says why"
        conditions.append(_condition(ConditionType.PROGRAMMED, ConditionStatus.FALSE, Reason.NO_USABLE_TARGET, message))
    targets = {"usable": usable, "total": lowered.declared, "summary": f"{usable}/{lowered.declared}"}
    return Verdict(generation=lowered.resource.generation, conditions=tuple(conditions), facts={"targets": targets})


def of_unread_route(generation: int, problems: Sequence[Problem]) -> Verdict:
    """Accepted, ResolvedRefs and Programmed of a route that could not be read."""
    unseen = _condition(ConditionType.RESOLVED_REFS, ConditionStatus.UNKNOWN, Reason.PENDING, _UNSEEN)
    return Verdict(
        generation=generation, conditions=(accepted(problems), unseen, _not_accepted(ConditionType.PROGRAMMED))
    )


def of_quota(
    resource: Resource, problems: Sequence[Problem], *, ignored: Sequence[str], notes: Sequence[Problem]
) -> Verdict:
    """Accepted; Enforced where no proxy is needed to know it."""
    conditions = [accepted(problems, ignored=ignored, notes=notes)]
    if problems:
        conditions.append(_not_accepted(ConditionType.ENFORCED))
    return Verdict(generation=resource.generation, conditions=tuple(conditions))


def _not_accepted(kind: ConditionType) -> Condition:
    message = "left out of every proxy's configuration: the condition Accepted says why"
    return _condition(kind, ConditionStatus.FALSE, Reason.NOT_ACCEPTED, message)


def _resolved(problems: Sequence[Problem]) -> Condition:
    kind = ConditionType.RESOLVED_REFS
    faults = [problem for problem in problems if problem.reason is not Reason.PENDING]
    if faults:
        return _condition(kind, ConditionStatus.FALSE, faults[0].reason, summary(faults))
    if problems:
        return _condition(kind, ConditionStatus.UNKNOWN, Reason.PENDING, summary(problems))
    return _condition(kind, ConditionStatus.TRUE, Reason.RESOLVED_REFS, "every target can serve")


def _condition(kind: ConditionType, status: ConditionStatus, reason: Reason, message: str) -> Condition:
    return Condition(type=kind, status=status, reason=reason, message=message)
