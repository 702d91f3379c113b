"""How one authority follows another: whatever is shown is trusted by all that was published of late."""

import functools
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_api.secret import Secret
from pilothouse_operator.distribution import certificates, keys, succession
from pilothouse_operator.distribution.certificates import Authority, KeyPair
from pilothouse_operator.distribution.keys import Keys
from pilothouse_operator.distribution.succession import OVERLAP_S, Issued, Phase, Situation, Step, decide, take

NAMES = ("operator.pilothouse.svc",)
NOW = 1_800_000_000.0
MINUTE, DAY = 60.0, 86_400.0
KUBELET_S = 10 * MINUTE
"""For so long a pod may still see what a ConfigMap held before."""
LOOK_S = 2 * MINUTE
"""For so long a replica may not have seen what the Secret holds."""


def own(now: float = NOW) -> Keys:
    authority = certificates.make_authority(name="pilothouse", now=now)
    leaf = certificates.make_leaf(authority=authority, names=NAMES, now=now)
    return Keys(authority=authority, leaf=leaf, peer=Secret("peer"))


def issue(authority: Authority, now: float = NOW) -> Issued:
    """What somebody else issues for us."""
    leaf = certificates.make_leaf(authority=authority, names=NAMES, now=now)
    return Issued(authority=authority.certificate, leaf=leaf)


def elsewhere(now: float = NOW) -> Authority:
    return certificates.make_authority(name="somebody else", now=now)


def borrowed(issued: Issued) -> Keys:
    return Keys(authority=Authority(certificate=issued.authority), leaf=issued.leaf, peer=Secret("peer"))


def at(now: float = NOW, **more: object) -> Situation:
    return Situation(names=NAMES, now=now, **{"published": False, **more})  # type: ignore[arg-type]


def after(present: Keys, situation: Situation) -> Keys:
    """One step on."""
    return take(
        decide(present, situation),
        present,
        situation,
        authority=lambda: certificates.make_authority(name="pilothouse", now=situation.now),
        leaf=lambda authority: certificates.make_leaf(authority=authority, names=NAMES, now=situation.now),
    )


@functools.cache
def trusted(leaf: KeyPair, trust: str, now: float) -> bool:
    try:
        certificates.check(trust=trust, leaf=leaf, now=now)
    except certificates.CertificateFault:
        return False
    return True


def test_fresh_keys_are_left_alone() -> None:
    assert decide(own(), at(published=True)) is Step.NONE


def test_the_wait_begins_when_the_trust_is_everywhere() -> None:
    announced = after(own(), at(asked=True))
    assert decide(announced, at(NOW + DAY)) is Step.NONE
    confirmed = after(announced, at(NOW + DAY, published=True))
    assert decide(confirmed, at(NOW + DAY + OVERLAP_S - 1)) is Step.NONE
    assert decide(confirmed, at(NOW + DAY + OVERLAP_S)) is Step.SWITCH


def test_the_wait_begins_anew_when_the_trust_was_put_back_somewhere() -> None:
    confirmed = after(after(own(), at(asked=True)), at(published=True))
    doubted = after(confirmed, at(NOW + OVERLAP_S, lacking=True))
    assert doubted.leaf == confirmed.leaf
    assert decide(doubted, at(NOW + 2 * OVERLAP_S)) is Step.NONE
    again = after(doubted, at(NOW + 2 * OVERLAP_S, published=True))
    assert decide(again, at(NOW + 3 * OVERLAP_S)) is Step.SWITCH


def test_a_clock_that_is_set_back_begins_the_wait_anew() -> None:
    confirmed = after(after(own(), at(asked=True)), at(NOW + 20 * DAY, published=True))
    again = after(confirmed, at(NOW, published=True))
    assert decide(again, at(NOW + OVERLAP_S)) is Step.SWITCH


def test_a_second_request_waits_for_the_end_of_the_first_succession() -> None:
    present = after(own(), at(asked=True))
    steps = []
    for minute in range(0, 200, 5):
        situation = at(NOW + minute * MINUTE, asked=True, published=True)
        steps.append(decide(present, situation))
        present = after(present, situation)
    assert [step for step in steps if step is not Step.NONE][:4] == [
        Step.CONFIRM,
        Step.SWITCH,
        Step.RETIRE,
        Step.ANNOUNCE,
    ]


def test_a_leaf_about_to_end_waits_for_nobody() -> None:
    announced = after(own(), at(asked=True))
    end = certificates.ends(announced.leaf.certificate)
    assert decide(announced, at(end - 60)) is Step.SWITCH


def test_an_authority_that_has_ended_is_followed_at_once() -> None:
    late = NOW + 2_000 * DAY
    present = after(after(own(), at(late)), at(late))
    assert trusted(present.leaf, present.trust, late)


def test_a_leaf_lasts_no_longer_than_its_authority_and_is_not_renewed_for_nothing() -> None:
    authority = certificates.make_authority(name="pilothouse", now=NOW)
    end = certificates.ends(authority.certificate)
    leaf = certificates.make_leaf(authority=authority, names=NAMES, now=end - 20 * DAY)
    assert certificates.ends(leaf.certificate) == end
    assert not certificates.leaf_is_due(leaf, authority=authority, names=NAMES, now=end - 10 * DAY)


def test_what_somebody_else_renews_is_shown_at_once() -> None:
    authority = elsewhere()
    present, renewed = borrowed(issue(authority)), issue(authority)
    assert after(present, at(foreign=True, issued=renewed)).leaf == renewed.leaf


def test_what_somebody_else_issues_by_another_authority_waits_for_its_trust() -> None:
    first, second = issue(elsewhere()), issue(elsewhere())
    announced = after(borrowed(first), at(foreign=True, issued=second))
    assert announced.leaf == first.leaf
    assert announced.trust == keys.joined(first.authority, second.authority)
    confirmed = after(announced, at(foreign=True, issued=second, published=True))
    switched = after(confirmed, at(NOW + OVERLAP_S, foreign=True, issued=second))
    assert switched.leaf == second.leaf
    assert after(switched, at(NOW + 2 * OVERLAP_S, foreign=True, issued=second)).trust == second.authority


def test_what_changes_its_mind_is_followed() -> None:
    first, second, third = (issue(elsewhere()) for _ in range(3))
    announced = after(borrowed(first), at(foreign=True, issued=second))
    assert after(announced, at(foreign=True, issued=first)) == borrowed(first)
    other = after(announced, at(foreign=True, issued=third, published=True))
    assert other.trust == keys.joined(first.authority, third.authority)
    assert other.since is None


def test_nothing_issued_yet_leaves_our_own_in_use_and_alive() -> None:
    present = own()
    assert decide(present, at(foreign=True)) is Step.NONE
    assert decide(present, at(NOW + 61 * DAY, foreign=True)) is Step.RENEW


def test_from_somebody_else_back_to_our_own() -> None:
    present = borrowed(issue(elsewhere()))
    announced = after(present, at())
    assert announced.successor is not None
    assert announced.successor.key is not None
    assert announced.leaf == present.leaf


def test_a_successor_that_nobody_issues_for_any_more_gives_way_to_our_own() -> None:
    announced = after(own(), at(foreign=True, issued=issue(elsewhere())))
    assert decide(announced, at(NOW + DAY, foreign=True, published=True)) is Step.NONE
    ours = after(announced, at())
    assert ours.successor is not None
    assert ours.successor.key is not None


@pytest.mark.parametrize("situation", [at(asked=True), at(foreign=True, issued=issue(elsewhere()))])
def test_keys_are_read_as_they_were_written(situation: Situation) -> None:
    present = own()
    for later in (0, 1, OVERLAP_S + 1, 2 * OVERLAP_S + 2):
        present = after(present, replace(situation, now=NOW + later, published=True, asked=not later))
        assert keys.decode(keys.encode(present)) == present


@dataclass
class Cluster:
    """A Secret, replicas that see it late, and the ConfigMaps of two namespaces with what they held before."""

    now: float = NOW
    secret: Keys = field(default_factory=own)
    replicas: list[tuple[float, Keys]] = field(default_factory=list)
    """What each has read, and when."""
    published: list[list[tuple[float, str]]] = field(default_factory=lambda: [[], []])
    issued: Issued | None = None
    asked: bool = False
    refusing: bool = False

    def __post_init__(self) -> None:
        self.replicas = [(self.now, self.secret)] * 3
        for namespace in (0, 1):
            self.published[namespace].append((self.now, self.secret.trust))

    def publish(self, replica: int) -> None:
        for namespace in (0, 1):
            if not (self.refusing and namespace):
                self.published[namespace].append((self.now, self.replicas[replica][1].trust))

    def look(self, replica: int, *, leads: bool) -> None:
        if leads:
            everywhere = all(history[-1][1] == self.secret.trust for history in self.published)
            situation = at(
                self.now,
                asked=self.asked,
                published=everywhere,
                lacking=not everywhere,
                foreign=self.issued is not None,
                issued=self.issued,
            )
            if decide(self.secret, situation) is Step.ANNOUNCE:
                self.asked = False
            self.secret = after(self.secret, situation)
        self.replicas[replica] = (self.now, self.secret)

    def pass_time(self, seconds: float) -> None:
        """In which no replica goes without a look for longer than it may."""
        self.now += seconds
        for number, (seen, _) in enumerate(self.replicas):
            if self.now - seen > LOOK_S:
                self.look(number, leads=False)

    def judge(self) -> None:
        """Whether every pod accepts every replica."""
        shown = {seen.leaf for _, seen in self.replicas}
        today = self.now // DAY * DAY + DAY
        assert all(trusted(leaf, trust, today) for trust in self.mounted() for leaf in shown)

    def mounted(self) -> set[str]:
        """All that any pod may see."""
        seen = set()
        for history in self.published:
            lately = [trust for since, trust in history if since > self.now - KUBELET_S]
            before = [trust for since, trust in history if since <= self.now - KUBELET_S]
            seen |= {*lately, *before[-1:]}
        return seen


# Most of the time the leader leads, and some minutes pass: a succession takes an hour.
moves = st.tuples(
    st.sampled_from(["lead"] * 6 + ["look", "stale publish", "ask", "refuse", "issue"]),
    st.integers(0, 3),
    st.sampled_from([5, 60, 300, 600, 900, 1800]),
)


@settings(deadline=None, max_examples=80)
@given(st.lists(moves, min_size=10, max_size=60))
def test_at_every_moment_what_is_shown_is_trusted_by_all_that_a_pod_may_see(plan: list[tuple[str, int, float]]) -> None:
    cluster, others = Cluster(asked=True), [elsewhere() for _ in range(3)]
    for move, number, seconds in plan:
        replica = number % len(cluster.replicas)
        match move:
            case "lead":
                cluster.look(replica, leads=True)
                cluster.publish(replica)
            case "look":
                cluster.look(replica, leads=False)
            case "stale publish":
                cluster.publish(replica)
            case "ask":
                cluster.asked = True
            case "refuse":
                cluster.refusing = not cluster.refusing
            case "issue":
                cluster.issued = issue(others[number], cluster.now) if number < len(others) else None
        cluster.judge()
        cluster.pass_time(seconds)
        cluster.judge()


@pytest.mark.parametrize("look_s", [20, 60, 300])
def test_a_succession_that_began_comes_to_its_end(look_s: int) -> None:
    cluster = Cluster(asked=True)
    before = cluster.secret.authority
    for _ in range(int(3 * OVERLAP_S / look_s)):
        cluster.look(0, leads=True)
        cluster.publish(0)
        cluster.pass_time(look_s)
    assert succession.phase(cluster.secret) is Phase.STEADY
    assert before.certificate not in cluster.secret.trust
