import os
import stat
from pathlib import Path

import msgspec
import pytest

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey, SnapshotVersion
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, BearerToken, Credential
from pilothouse_api.snapshot.stream import Hello, Publication, Subject
from pilothouse_proxy.config import lastgood

HELLO = Hello(scope=GATEWAY_SCOPE, subject=Subject(namespace="a", service_account="b"), replica="r")
PUBLICATION = Publication(version=SnapshotVersion("sha256:1"), snapshot=msgspec.Raw(b'{"schema":1}'), seen={"k": "7"})


def save(directory: Path) -> None:
    lastgood.save(directory, hello=msgspec.json.encode(HELLO), publication=msgspec.json.encode(PUBLICATION) + b"\n")


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save(tmp_path)
    found = lastgood.load(tmp_path)
    assert found is not None
    assert found.hello == HELLO
    assert found.publication.version == "sha256:1"
    assert bytes(found.publication.snapshot) == b'{"schema":1}'
    assert found.publication.seen == {"k": "7"}


def test_nothing_saved_is_no_fault(tmp_path: Path) -> None:
    assert lastgood.load(tmp_path / "missing") is None


def test_only_the_owner_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        save(tmp_path / "state")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "state" / lastgood.FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_failed_save_leaves_the_old_one_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lastgood.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        lastgood.save(tmp_path, hello=b"{}", publication=b"{}")
    assert lastgood.load(tmp_path) is not None
    assert [path.name for path in tmp_path.iterdir()] == [lastgood.FILE]


@pytest.mark.parametrize("content", [b"", b"{}\n", b"half", b'{"type":"hello"}\n{}\n', b"\xff\n\xff\n"])
def test_a_file_that_is_something_else_is_told_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / lastgood.FILE).write_bytes(content)
    with pytest.raises(lastgood.Unreadable, match=lastgood.FILE):
        lastgood.load(tmp_path)


def test_the_time_of_the_file_is_when_the_operator_was_heard(tmp_path: Path) -> None:
    save(tmp_path)
    lastgood.touch(tmp_path, heard=1_700_000_000.0)
    found = lastgood.load(tmp_path)
    assert found is not None
    assert found.heard == 1_700_000_000.0


def test_touching_what_is_not_there_is_no_fault(tmp_path: Path) -> None:
    lastgood.touch(tmp_path, heard=1.0)


CREDENTIALS: dict[ProviderKey, Credential] = {
    ProviderKey("a/token"): BearerToken(token=Secret("t"), expires_at=1_000),
    ProviderKey("a/session"): AccessKey(access_key_id="A", secret_access_key=Secret("s"), expires_at=1_001),
    ProviderKey("a/key"): APIKey(key=Secret("k")),
}


def test_renewed_credentials_are_saved_beside_it_for_the_owner_alone(tmp_path: Path) -> None:
    lastgood.save_renewed(tmp_path, CREDENTIALS)
    assert lastgood.load_renewed(tmp_path, now=999.9) == CREDENTIALS
    assert stat.S_IMODE((tmp_path / lastgood.RENEWALS_FILE).stat().st_mode) == 0o600
    assert lastgood.load(tmp_path) is None


def test_credentials_that_have_ended_are_dropped_at_load(tmp_path: Path) -> None:
    lastgood.save_renewed(tmp_path, CREDENTIALS)
    assert lastgood.load_renewed(tmp_path, now=1_000.0).keys() == {"a/session", "a/key"}
    assert lastgood.load_renewed(tmp_path, now=1_001.0).keys() == {"a/key"}


def test_no_credentials_leave_no_file(tmp_path: Path) -> None:
    assert lastgood.load_renewed(tmp_path, now=0.0) == {}
    lastgood.save_renewed(tmp_path, {})
    lastgood.save_renewed(tmp_path, CREDENTIALS)
    lastgood.save_renewed(tmp_path, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{}", b"half", b'{"type":"heartbeat"}', b"\xff\n"])
def test_saved_credentials_that_are_none_are_told_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / lastgood.RENEWALS_FILE).write_bytes(content)
    with pytest.raises(lastgood.Unreadable, match=lastgood.RENEWALS_FILE):
        lastgood.load_renewed(tmp_path, now=0.0)
