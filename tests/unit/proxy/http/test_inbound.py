import pytest

from pilothouse_proxy.http import grants, inbound
from pilothouse_proxy.http.inbound import Inbound
from pilothouse_proxy.http.limits import MIB, Limits


def test_what_fits_is_taken_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    told = Inbound(limits=Limits(), max_connections=10, max_connections_per_peer=3, budget_bytes=100 * MIB)
    fitted = inbound.fit(told)
    assert fitted.limits == told.limits
    assert fitted.ledger.budget_bytes == 100 * MIB
    assert (fitted.doors.most, fitted.doors.most_a_peer) == (10, 3)
    assert caplog.messages == []


def test_bodies_are_no_larger_than_what_may_arrive(caplog: pytest.LogCaptureFixture) -> None:
    fitted = inbound.fit(Inbound(limits=Limits(body_bytes=25 * MIB), max_connections=10, budget_bytes=32 * MIB))
    assert fitted.limits.body_bytes == 8 * MIB
    (line,) = caplog.messages
    assert "lower --max-body-size" in line


@pytest.mark.parametrize(("possible", "most"), [(100, 100), (1_000_000, 16_384)])
def test_there_are_as_many_connections_as_open_files_are_good_for(
    possible: int, most: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(grants, "raise_descriptors", lambda: possible)
    assert inbound.fit(Inbound()).doors.most == most
    assert caplog.messages == []


def test_a_limit_of_open_files_that_is_too_low_for_what_is_asked_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(grants, "raise_descriptors", lambda: 100)
    assert inbound.fit(Inbound(max_connections=8_192)).doors.most == 8_192
    (line,) = caplog.messages
    assert "good for 100 connections of callers" in line
