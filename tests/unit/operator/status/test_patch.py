import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_api.conditions import OUTCOMES, Condition, ConditionStatus, ConditionType, Reason
from pilothouse_api.snapshot.stream import LimitUse
from pilothouse_operator.compile.world import Kind, Resource, Verdict
from pilothouse_operator.ports import QuotaUsage, Rejection, Rollout
from pilothouse_operator.status import patch as patches
from pilothouse_operator.status.patch import LARGEST_BYTES, Patch, Urgency, patch
from tests.unit.operator.status.shapes import (
    ACCEPTED,
    NOW,
    NOW_TEXT,
    RESOLVED,
    condition,
    quota,
    renamed,
    resource,
    rollout,
    route,
    usage,
    verdict,
)

REJECTED = Rejection(path="routes.ns/x", reason="unknown field", proxies=2)
UNRESOLVED = renamed(RESOLVED, ConditionStatus.FALSE, Reason.MODEL_NOT_FOUND, "spec.targets[0].model: not listed")


def patched(
    of: Resource,
    found: Verdict,
    *,
    rolled: Rollout | None = None,
    used: QuotaUsage | None = None,
    observed: dict[str, Any] | None = None,
    now: float = NOW,
) -> Patch | None:
    return patch(of, found, rollout=rolled, usage=used, observed=observed or {}, now=now)


def written(of: Resource, found: Verdict, **options: Any) -> dict[str, Any]:
    result = patched(of, found, **options)
    assert result is not None
    return result.status


def outcome(of: Resource, found: Verdict, type_: str, **options: Any) -> tuple[str, str]:
    entry = condition(written(of, found, **options), type_)
    return entry["status"], entry["reason"]


def test_a_route_that_serves_everywhere_is_ready() -> None:
    status = written(route(), verdict(), rolled=rollout())
    assert [entry["type"] for entry in status["conditions"]] == ["Ready", "Accepted", "ResolvedRefs", "Programmed"]
    assert {entry["status"] for entry in status["conditions"]} == {"True"}
    assert condition(status, "Ready")["reason"] == "Ready"
    assert status["programmed"] == {"applied": 4, "total": 4, "summary": "4/4", "laggards": []}


def test_every_condition_speaks_of_the_generation() -> None:
    status = written(route(), verdict(), rolled=rollout())
    assert status["observedGeneration"] == 3
    assert {entry["observedGeneration"] for entry in status["conditions"]} == {3}


def test_facts_of_the_verdict_are_fields_of_the_status() -> None:
    status = written(resource(Kind.PROVIDER), verdict(ACCEPTED, kind="bedrock"))
    assert status["kind"] == "bedrock"
    assert "programmed" not in status


def test_ready_takes_the_first_reason_that_is_false() -> None:
    status = written(route(), verdict(ACCEPTED, UNRESOLVED), rolled=rollout(1, 4))
    ready = condition(status, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ModelNotFound")
    assert ready["message"] == "spec.targets[0].model: not listed"


def test_false_beats_unknown_in_ready() -> None:
    pending = renamed(RESOLVED, ConditionStatus.UNKNOWN, Reason.PENDING, "wait")
    assert outcome(route(), verdict(ACCEPTED, pending), "Ready", rolled=rollout(1, 4)) == ("False", "Progressing")
    assert outcome(route(), verdict(ACCEPTED, pending), "Ready", rolled=rollout()) == ("Unknown", "Pending")


@pytest.mark.parametrize(
    ("rolled", "expected"),
    [
        (rollout(4, 4), ("True", "Programmed")),
        (rollout(3, 4, laggards=("pod",)), ("False", "Progressing")),
        (rollout(3, 4, rejection=REJECTED), ("False", "RejectedByProxy")),
        (rollout(4, 4, unreachable=("op-1",)), ("Unknown", "ReplicaUnreachable")),
        (rollout(0, 0), ("Unknown", "NoProxies")),
        (None, ("False", "NotAccepted")),
    ],
)
def test_programmed_says_how_far_the_fleet_is(rolled: Rollout | None, expected: tuple[str, str]) -> None:
    assert outcome(route(), verdict(), "Programmed", rolled=rolled) == expected


def test_a_rejection_is_passed_on_with_path_and_reason() -> None:
    status = written(route(), verdict(), rolled=rollout(3, 4, rejection=REJECTED))
    assert "routes.ns/x: unknown field" in condition(status, "Programmed")["message"]


def test_the_verdicts_own_programmed_wins() -> None:
    useless = renamed(ACCEPTED, ConditionStatus.FALSE, Reason.NO_USABLE_TARGET, "No target can serve.")
    useless = Condition(
        type=ConditionType.PROGRAMMED, status=useless.status, reason=useless.reason, message=useless.message
    )
    found = outcome(route(), verdict(ACCEPTED, RESOLVED, useless), "Programmed", rolled=rollout())
    assert found == ("False", "NoUsableTarget")


def test_a_quota_counted_by_one_proxy_is_enforced() -> None:
    assert outcome(quota(), verdict(ACCEPTED), "Enforced", rolled=rollout(1, 1)) == ("True", "Enforced")


def test_a_quota_counted_by_several_says_that_each_counts_alone() -> None:
    status = written(quota(), verdict(ACCEPTED), rolled=rollout(3, 3))
    entry = condition(status, "Enforced")
    assert (entry["status"], entry["reason"]) == ("True", "CountedApart")
    assert "each for itself" in entry["message"]


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        (None, ("Unknown", "UsageUnknown")),
        (usage(0, proxies=0), ("Unknown", "UsageUnknown")),
        (usage(50), ("False", "WithinLimits")),
        (usage(100, exceeded=1), ("True", "LimitReached")),
    ],
)
def test_exceeded_says_whether_somebody_is_at_a_limit(used: QuotaUsage | None, expected: tuple[str, str]) -> None:
    assert outcome(quota(), verdict(ACCEPTED), "Exceeded", rolled=rollout(1, 1), used=used) == expected


def test_a_reached_limit_leaves_the_quota_ready() -> None:
    found = outcome(quota(), verdict(ACCEPTED), "Ready", rolled=rollout(1, 1), used=usage(100, exceeded=1))
    assert found == ("True", "Ready")


def test_use_of_each_limit_is_shown_and_of_the_fullest_in_short() -> None:
    several = quota(("Requests", "1m", 100), ("Tokens", "24h", 1000))
    tokens = LimitUse(resource="Tokens", window="24h", used=820, counters=2, resets_in_s=60, top=(("ns/ana", 820),))
    used = QuotaUsage(limits=(*usage(50).limits, tokens), proxies=1)
    status = written(several, verdict(ACCEPTED), rolled=rollout(1, 1), used=used)
    assert (status["used"], status["resetsAt"]) == ("82%", "2023-11-14T22:14:20Z")
    first, second = status["limits"]
    assert (first["used"], first["remaining"], first["usedPercent"]) == (50, 50, 50)
    assert (second["remaining"], second["top"]) == (180, [{"name": "ns/ana", "used": 820}])


def test_a_limit_that_nobody_has_used_is_shown_too() -> None:
    status = written(quota(("Tokens", "1m", 10)), verdict(ACCEPTED), rolled=rollout(1, 1), used=usage(5))
    assert status["limits"][0]["used"] == 0
    assert status["limits"][0]["remaining"] == 10


def test_more_than_the_limit_leaves_nothing_and_no_less() -> None:
    status = written(quota(), verdict(ACCEPTED), rolled=rollout(2, 2), used=usage(150, exceeded=1, proxies=2))
    assert (status["limits"][0]["remaining"], status["used"]) == (0, "150%")


# When a write is worth it


def observed(of: Resource, **options: Any) -> dict[str, Any]:
    """The status as it stands after a first write."""
    return json.loads(json.dumps(written(of, options.pop("found", verdict()), **options)))


def test_the_same_again_is_not_written() -> None:
    before = observed(route(), rolled=rollout())
    assert patched(route(), verdict(), rolled=rollout(), observed=before, now=NOW + 3600) is None


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    before = observed(route(), rolled=rollout())
    changed = renamed(RESOLVED, ConditionStatus.TRUE, Reason.RESOLVED_REFS, "Other words.")
    after = written(route(), verdict(ACCEPTED, changed), rolled=rollout(), observed=before, now=NOW + 3600)
    assert condition(after, "ResolvedRefs")["lastTransitionTime"] == NOW_TEXT


def test_a_condition_gets_a_new_time_when_its_status_changes() -> None:
    before = observed(route(), rolled=rollout())
    after = written(route(), verdict(ACCEPTED, UNRESOLVED), rolled=rollout(), observed=before, now=NOW + 60)
    assert condition(after, "ResolvedRefs")["lastTransitionTime"] == "2023-11-14T22:14:20Z"
    assert condition(after, "Accepted")["lastTransitionTime"] == NOW_TEXT


def urgency(before: dict[str, Any], of: Resource, found: Verdict, **options: Any) -> Urgency | None:
    result = patched(of, found, observed=before, **options)
    return result.urgency if result else None


def test_a_change_of_conditions_is_written_now() -> None:
    before = observed(route(), rolled=rollout())
    assert urgency(before, route(), verdict(), rolled=rollout(3, 4)) is Urgency.NOW


def test_a_change_of_facts_is_written_now() -> None:
    before = observed(route(), rolled=rollout(), found=verdict(targets={"usable": 1}))
    assert urgency(before, route(), verdict(targets={"usable": 2}), rolled=rollout()) is Urgency.NOW


def test_a_new_generation_is_written_now() -> None:
    before = observed(route(), rolled=rollout())
    newer = Verdict(generation=4, conditions=(ACCEPTED, RESOLVED))
    assert urgency(before, route(), newer, rolled=rollout()) is Urgency.NOW


def test_counts_alone_are_written_later() -> None:
    before = observed(route(), rolled=rollout(2, 4, laggards=("a", "b")))
    assert urgency(before, route(), verdict(), rolled=rollout(3, 4, laggards=("b",))) is Urgency.LATER


@pytest.mark.parametrize(("used", "worth"), [(500, None), (505, None), (510, Urgency.LATER), (490, Urgency.LATER)])
def test_usage_is_written_when_it_moved_by_a_hundredth(used: int, worth: Urgency | None) -> None:
    of, rolled = quota(("Requests", "1m", 1000)), rollout(1, 1)
    before = observed(of, found=verdict(ACCEPTED), rolled=rolled, used=usage(500))
    assert urgency(before, of, verdict(ACCEPTED), rolled=rolled, used=usage(used), now=NOW + 60) is worth


def test_the_first_and_the_end_of_use_are_written_however_small() -> None:
    of, rolled = quota(("Requests", "1m", 100_000)), rollout(1, 1)
    for first, second in ((0, 1), (1, 0)):
        before = observed(of, found=verdict(ACCEPTED), rolled=rolled, used=usage(first))
        assert urgency(before, of, verdict(ACCEPTED), rolled=rolled, used=usage(second)) is Urgency.LATER


def test_reaching_a_limit_is_written_now() -> None:
    before = observed(quota(), found=verdict(ACCEPTED), rolled=rollout(1, 1), used=usage(99))
    after = usage(100, exceeded=1)
    assert urgency(before, quota(), verdict(ACCEPTED), rolled=rollout(1, 1), used=after) is Urgency.NOW


def test_conditions_of_others_are_left_alone() -> None:
    before = observed(route(), rolled=rollout())
    before["conditions"].append({"type": "example.com/Audited", "status": "True"})
    assert patched(route(), verdict(), rolled=rollout(), observed=before) is None


def test_what_somebody_wiped_is_written_again() -> None:
    before = observed(route(), rolled=rollout())
    before["conditions"] = [entry for entry in before["conditions"] if entry["type"] != "Ready"]
    assert urgency(before, route(), verdict(), rolled=rollout()) is Urgency.NOW


def test_a_mangled_status_is_no_obstacle() -> None:
    mangled = {"conditions": [{"type": "Ready", "status": "Perhaps"}], "limits": "none", "programmed": 3}
    result = patched(route(), verdict(), rolled=rollout(), observed=mangled)
    assert result is not None
    assert condition(result.status, "Ready")["lastTransitionTime"] == NOW_TEXT


def test_transitions_tell_what_changed_and_from_what() -> None:
    before = observed(route(), rolled=rollout())
    result = patched(route(), verdict(ACCEPTED, UNRESOLVED), rolled=rollout(), observed=before)
    assert result is not None
    told = {(one.after.type, one.after.reason, one.before) for one in result.transitions}
    assert told == {
        (ConditionType.READY, Reason.MODEL_NOT_FOUND, ConditionStatus.TRUE),
        (ConditionType.RESOLVED_REFS, Reason.MODEL_NOT_FOUND, ConditionStatus.TRUE),
    }


# Laws

texts = st.text(max_size=3000)
statuses = st.sampled_from(list(ConditionStatus))


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict:
    made = tuple(
        Condition(type=type_, status=draw(statuses), reason=draw(st.sampled_from(list(Reason))), message=draw(texts))
        for type_ in draw(st.sets(st.sampled_from(list(ConditionType))))
        if type_ is not ConditionType.READY
    )
    facts = draw(st.dictionaries(st.sampled_from(["kind", "models", "targets"]), st.lists(texts, max_size=10)))
    return Verdict(generation=draw(st.integers(0, 2**40)), conditions=made, facts=facts)


@st.composite
def rollouts(draw: st.DrawFn) -> Rollout:
    total = draw(st.integers(0, 100_000))
    pods = tuple(draw(st.lists(st.text("abc", max_size=253), max_size=8)))
    rejection = draw(st.none() | st.builds(Rejection, path=texts, reason=texts, proxies=st.integers(1, 9)))
    return Rollout(
        applied=draw(st.integers(0, total)), total=total, laggards=pods, rejection=rejection, unreachable=pods[:1]
    )


@st.composite
def full_usages(draw: st.DrawFn) -> tuple[Resource, QuotaUsage]:
    windows = [f"{number + 1}m" for number in range(draw(st.integers(1, 16)))]
    declared = quota(*(("Tokens", window, draw(st.integers(1, 10**12))) for window in windows))
    top = tuple((f"{'n' * draw(st.integers(1, 500))}{index}", index) for index in range(10))
    limits = tuple(
        LimitUse(resource="Tokens", window=window, used=draw(st.integers(0, 10**12)), counters=10**6, top=top)
        for window in windows
    )
    return declared, QuotaUsage(limits=limits, proxies=9)


@settings(max_examples=80, deadline=None)
@given(full_usages(), verdicts(), st.none() | rollouts())
def test_a_status_stays_small_and_settles(
    used: tuple[Resource, QuotaUsage], found: Verdict, rolled: Rollout | None
) -> None:
    of, use = used
    result = patch(of, found, rollout=rolled, usage=use, observed={}, now=NOW)
    assert result is not None
    stored = json.dumps(result.status, ensure_ascii=False, separators=(",", ":"))
    assert len(stored.encode()) <= LARGEST_BYTES
    assert all(len(entry["message"]) <= 1024 for entry in result.status["conditions"])
    assert patch(of, found, rollout=rolled, usage=use, observed=json.loads(stored), now=NOW + 100) is None


@given(st.sampled_from(list(Kind)), st.none() | rollouts(), st.sampled_from([None, usage(1), usage(9, exceeded=1)]))
@settings(max_examples=80, deadline=None)
def test_each_condition_that_is_made_here_is_of_the_closed_set(
    kind: Kind, rolled: Rollout | None, used: QuotaUsage | None
) -> None:
    for made in patches.conditions(kind, verdict(ACCEPTED), rollout=rolled, usage=used):
        if made.type is not ConditionType.READY:
            assert (made.status, made.reason) in OUTCOMES[made.type]


@given(st.text(max_size=50), st.integers(3, 60))
def test_text_is_cut_to_bytes_without_breaking_a_character(text: str, longest: int) -> None:
    shown = patches.cut(text, longest)
    assert len(shown.encode()) <= longest
    assert shown == text or shown.endswith("…")


def test_quotas_are_the_first_to_go() -> None:
    counts = {"found": 9, "served": 9, "excluded": 0, "unusable": 0}
    tight = [{"model": "m" * 256, "tokensPerMinute": n} for n in range(20)]
    small = {"discovery": {**counts, "quotas": tight[:1]}, "conditions": []}
    assert patches.fit(small) == small
    large = {"discovery": {**counts, "quotas": tight}, "conditions": [], "limits": [{"top": "n" * 3_000}]}
    assert patches.fit(large) == {**large, "discovery": counts}
