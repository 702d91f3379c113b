import itertools

import kopf
import pytest

from pilothouse_operator.compile.world import Kind
from pilothouse_operator.sources.watch import Backoffs, WatchScope, settings


@pytest.fixture
def chosen() -> kopf.OperatorSettings:
    return settings(WatchScope())


def test_no_other_operator_pauses_us(chosen: kopf.OperatorSettings) -> None:
    assert chosen.peering.standalone


def test_nothing_is_scanned_posted_or_killed(chosen: kopf.OperatorSettings) -> None:
    assert chosen.scanning.disabled
    assert not chosen.posting.enabled
    assert chosen.process.ultimate_exiting_timeout is None


def test_a_stalled_watch_is_noticed_but_not_a_quiet_one(chosen: kopf.OperatorSettings) -> None:
    assert 62 < chosen.watching.inactivity_timeout <= 75
    assert (chosen.watching.server_timeout, chosen.watching.client_timeout) == (600, 660)
    assert (chosen.watching.connect_timeout, chosen.networking.connect_timeout) == (5, 5)
    assert chosen.networking.request_timeout == 30


def test_a_list_comes_whole_and_before_the_watch(chosen: kopf.OperatorSettings) -> None:
    assert not chosen.watching.initial_streaming
    assert chosen.watching.chunk_size is None


def test_marks_that_are_never_made_would_bear_our_name(chosen: kopf.OperatorSettings) -> None:
    assert chosen.persistence.finalizer == "pilothouse.dev/finalizer"
    assert "kopf" not in repr(vars(chosen.persistence.progress_storage).get("prefix", "kopf"))
    assert vars(chosen.persistence.diffbase_storage)["prefix"] == "pilothouse.dev"


def test_pauses_are_endless_bounded_and_begin_anew() -> None:
    backoffs = Backoffs()
    many = list(itertools.islice(backoffs, 1000))
    assert all(0 <= pause <= 5 for pause in many)
    assert max(many) > 2
    assert all(next(iter(backoffs)) <= 0.2 for _ in range(50))


def test_the_selector_goes_for_each_of_our_kinds() -> None:
    selectors = settings(WatchScope(selector="team=red")).watching.label_selectors
    assert [selectors["pilothouse.dev", kind.plural] for kind in Kind] == ["team=red"] * 3


def test_without_a_selector_nothing_is_filtered(chosen: kopf.OperatorSettings) -> None:
    assert not chosen.watching.label_selectors
