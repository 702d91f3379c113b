"""Secrets of Vault's KV version 2: what is fetched, and what is said when there is nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.clouds.vault import Vault
from pilothouse_operator.compile.identities import GoogleIdentity, GoogleSecretAddress, VaultAddress, VaultIdentity
from pilothouse_operator.ports import Fault, Fetched
from pilothouse_operator.secretstores.vault import VaultStore
from tests.simulators.vault.engine import Engine
from tests.simulators.vault.service import ROOT, Role
from tests.simulators.vault.service import Vault as Simulator
from tests.simulators.wire import replies
from tests.simulators.wire.replies import Reply
from tests.simulators.wire.threaded import serving
from tests.unit.operator.fakes import Hands

PLANTED = "sk-PLANTED-0000000001"


class Stand:
    def __init__(self, url: str, simulator: Simulator, token_file: Path) -> None:
        token_file.write_text(simulator.cluster.token("system", "operator", audience="vault"))
        self.simulator = simulator
        self.engine = simulator.engines["", "secret"]
        self.address = VaultAddress(identity=VaultIdentity(role="operator"), server=url, path="team/openai")
        self.store = VaultStore(vault=Vault(clock=Hands(), token_file=token_file))
        self.sign_in: dict[str, Secret] = {}

    async def fetch(self, known: str | None = None, **changed: object) -> Fetched:
        found = await self.store.fetch(replace(self.address, **changed), self.sign_in, known=known)  # type: ignore[arg-type]
        assert found is not None
        return found

    async def fault(self, **changed: object) -> Fault:
        with pytest.raises(Fault) as caught:
            await self.fetch(**changed)  # type: ignore[arg-type]
        return caught.value


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    simulator = Simulator(policies={("", "team"): ["secret/data/*", "kv1/*"]})
    simulator.roles["", "kubernetes", "operator"] = Role(["operator"], ["system"], ["team"], audience="vault")
    with serving(simulator) as url:
        yield Stand(url, simulator, tmp_path / "token")


async def test_the_newest_version_comes_as_a_json_object(stand: Stand) -> None:
    stand.engine.write("team/openai", {"key": "old"})
    stand.engine.write("team/openai", {"key": "schlüssel", "ports": [1, 2], "nested": {"a": None}})
    found = await stand.fetch()
    assert json.loads(found.value.reveal()) == {"key": "schlüssel", "ports": [1, 2], "nested": {"a": None}}
    assert found.version.startswith("2 (20")


async def test_a_version_may_be_named(stand: Stand) -> None:
    stand.engine.write("team/openai", {"key": "old"})
    stand.engine.write("team/openai", {"key": "new"})
    assert json.loads((await stand.fetch(version=1)).value.reveal()) == {"key": "old"}


async def test_what_is_known_is_not_fetched_again(stand: Stand) -> None:
    stand.engine.write("team/openai", {"key": "one"})
    first = await stand.fetch()
    assert await stand.store.fetch(stand.address, {}, known=first.version) is None
    stand.engine.write("team/openai", {"key": "two"})
    assert json.loads((await stand.fetch(known=first.version)).value.reveal()) == {"key": "two"}


async def test_a_secret_that_began_anew_is_not_taken_for_the_old_one(stand: Stand) -> None:
    stand.engine.write("team/openai", {"key": "one"})
    first = await stand.fetch()
    stand.engine.forget("team/openai")
    stand.engine.write("team/openai", {"key": "two"})
    assert json.loads((await stand.fetch(known=first.version)).value.reveal()) == {"key": "two"}


async def test_a_users_token_reads_what_it_may(stand: Stand) -> None:
    stand.engine.write("team/openai", {"key": "one"})
    stand.sign_in = {"token": Secret(ROOT)}
    assert await stand.fetch()
    assert stand.simulator.logins() == 0


async def test_a_namespace_is_asked_for_login_and_secret(stand: Stand) -> None:
    stand.simulator.engines["team", "secret"] = Engine()
    stand.simulator.engines["team", "secret"].write("team/openai", {"key": "theirs"})
    stand.simulator.roles["team", "kubernetes", "operator"] = Role(["*"], ["*"], ["team"])
    stand.simulator.policies["team", "team"] = ["secret/data/*"]
    assert json.loads((await stand.fetch(namespace="team")).value.reveal()) == {"key": "theirs"}


async def test_mounts_may_have_slashes_and_odd_names(stand: Stand) -> None:
    stand.simulator.engines["", "teams/a kv"] = Engine()
    stand.simulator.engines["", "teams/a kv"].write("x/sch?ön#1", {"key": "one"})
    stand.sign_in = {"token": Secret(ROOT)}
    assert await stand.fetch(mount="teams/a kv", path="x/sch?ön#1")


async def test_a_missing_secret(stand: Stand) -> None:
    fault = await stand.fault()
    assert (fault.reason, fault.passing, fault.field) == (Reason.SECRET_NOT_FOUND, False, "path")
    assert "secret/team/openai" in fault.message


async def test_a_missing_version(stand: Stand) -> None:
    stand.engine.write("team/openai", {"key": "one"})
    fault = await stand.fault(version=9)
    assert (fault.reason, fault.field) == (Reason.SECRET_NOT_FOUND, "version")
    assert "no version 9" in fault.message


async def test_a_deleted_version(stand: Stand) -> None:
    stand.engine.write("team/openai", {"key": PLANTED})
    stand.engine.delete("team/openai")
    fault = await stand.fault()
    assert (fault.reason, fault.field) == (Reason.SECRET_NOT_FOUND, "version")
    assert "version 1 of secret secret/team/openai" in fault.message
    assert "vault kv undelete" in fault.message


async def test_a_destroyed_version(stand: Stand) -> None:
    stand.engine.write("team/openai", {"key": PLANTED})
    stand.engine.destroy("team/openai", [1])
    fault = await stand.fault()
    assert (fault.reason, fault.field) == (Reason.SECRET_NOT_FOUND, "version")
    assert "destroyed" in fault.message


async def test_no_engine_at_the_mount(stand: Stand) -> None:
    stand.sign_in = {"token": Secret(ROOT)}
    fault = await stand.fault(mount="elsewhere")
    assert (fault.reason, fault.field) == (Reason.SECRET_NOT_FOUND, "mount")


async def test_an_engine_of_version_1(stand: Stand) -> None:
    stand.simulator.plain_engines["", "kv1"] = {"data/team/openai": {"key": PLANTED}}
    fault = await stand.fault(mount="kv1")
    assert (fault.reason, fault.passing, fault.field) == (Reason.SECRET_MALFORMED, False, "mount")
    assert PLANTED not in repr(fault.__dict__)


async def test_a_role_without_a_policy(stand: Stand) -> None:
    stand.simulator.policies.clear()
    fault = await stand.fault()
    assert (fault.reason, fault.passing, fault.field) == (Reason.SECRET_FORBIDDEN, False, "path")
    assert "the role 'operator'" in fault.message
    assert "secret/data/team/openai" in fault.message


async def test_a_token_that_may_not(stand: Stand) -> None:
    stand.sign_in = {"token": Secret(PLANTED)}
    fault = await stand.fault()
    assert (fault.reason, fault.field) == (Reason.SECRET_FORBIDDEN, "token")
    assert PLANTED not in fault.message


async def test_an_odd_status(stand: Stand) -> None:
    stand.sign_in = {"token": Secret(ROOT)}
    stand.simulator.interruptions = [Reply([(0.0, replies.whole(400, [], PLANTED.encode()))])]
    fault = await stand.fault()
    assert fault.reason is Reason.STORE_UNAVAILABLE
    assert "status 400" in fault.message
    assert PLANTED not in repr(fault.__dict__)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data":7}', b'{"data":{"data":{},"metadata":7}}', b"[" * 100_000])
async def test_an_odd_answer(stand: Stand, body: bytes) -> None:
    stand.sign_in = {"token": Secret(ROOT)}
    stand.simulator.interruptions = [Reply([(0.0, replies.whole(200, [], body))])]
    assert (await stand.fault()).reason is Reason.SECRET_MALFORMED


@pytest.mark.parametrize("path", ["", "/", "..", "a/../b", "a/.", "./a"])
async def test_a_path_that_would_be_another_is_not_asked_for(stand: Stand, path: str) -> None:
    assert (await stand.fault(path=path)).field == "path"
    assert (await stand.fault(mount=path)).field == "mount"
    identity = VaultIdentity(role="operator", mount=path)
    assert (await stand.fault(identity=identity)).field == "mount"
    assert stand.simulator.asked == []


async def test_another_stores_address_is_a_mistake(stand: Stand) -> None:
    address = GoogleSecretAddress(identity=GoogleIdentity(), project="p", secret="s")
    with pytest.raises(TypeError, match="GoogleSecretAddress"):
        await stand.store.fetch(address, {}, known=None)
