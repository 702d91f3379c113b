"""hvac, unmodified, against the Vault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import hvac
import hvac.exceptions
import pytest

from tests.simulators.vault.engine import Engine
from tests.simulators.vault.service import ROOT, Role, Vault
from tests.simulators.wire.threaded import serving

Client = Callable[..., hvac.Client]


@pytest.fixture
def vault() -> Vault:
    made = Vault(policies={("", "team"): ["secret/data/team/*"]})
    made.roles["", "kubernetes", "operator"] = Role(["operator"], ["system"], ["team"], audience="vault")
    return made


@pytest.fixture
def client(vault: Vault) -> Iterator[Client]:
    made: list[hvac.Client] = []
    with serving(vault) as url:

        def make(token: str = ROOT, **more: Any) -> hvac.Client:
            made.append(hvac.Client(url=url, token=token, timeout=5, **more))
            return made[-1]

        yield make
        for each in made:
            each.adapter.close()


def test_versions_are_written_and_read(client: Client) -> None:
    kv = client().secrets.kv.v2
    kv.create_or_update_secret("team/openai", {"key": "one"})
    kv.create_or_update_secret("team/openai", {"key": "two"})
    newest = kv.read_secret_version("team/openai", raise_on_deleted_version=True)["data"]
    first = kv.read_secret_version("team/openai", version=1, raise_on_deleted_version=True)["data"]
    assert (newest["data"], newest["metadata"]["version"]) == ({"key": "two"}, 2)
    assert (first["data"], first["metadata"]["version"]) == ({"key": "one"}, 1)


def test_a_deleted_version_can_be_had_back_and_a_destroyed_one_not(client: Client) -> None:
    kv = client().secrets.kv.v2
    kv.create_or_update_secret("a", {"key": "one"})
    kv.delete_latest_version_of_secret("a")
    deleted = kv.read_secret_version("a", raise_on_deleted_version=False)["data"]
    assert deleted["data"] is None
    assert deleted["metadata"]["deletion_time"]
    kv.undelete_secret_versions("a", [1])
    assert kv.read_secret_version("a", raise_on_deleted_version=True)["data"]["data"] == {"key": "one"}
    kv.destroy_secret_versions("a", [1])
    with pytest.raises(hvac.exceptions.InvalidPath):
        kv.read_secret_version("a", raise_on_deleted_version=True)


def test_a_secret_without_metadata_begins_anew(client: Client) -> None:
    kv = client().secrets.kv.v2
    kv.create_or_update_secret("a", {"key": "one"})
    kv.delete_metadata_and_all_versions("a")
    with pytest.raises(hvac.exceptions.InvalidPath):
        kv.read_secret_version("a", raise_on_deleted_version=True)
    assert kv.create_or_update_secret("a", {"key": "two"})["data"]["version"] == 1


def test_a_serviceaccount_signs_in_and_reads_what_its_role_may(vault: Vault, client: Client) -> None:
    vault.engines["", "secret"].write("team/openai", {"key": "one"})
    vault.engines["", "secret"].write("other", {"key": "two"})
    guest = client(token="")
    signed = guest.auth.kubernetes.login("operator", vault.cluster.token("system", "operator", audience="vault"))
    assert signed["auth"]["lease_duration"] == 3_600
    assert guest.secrets.kv.v2.read_secret_version("team/openai", raise_on_deleted_version=True)["data"]["data"]
    with pytest.raises(hvac.exceptions.Forbidden, match="permission denied"):
        guest.secrets.kv.v2.read_secret_version("other", raise_on_deleted_version=True)


@pytest.mark.parametrize(
    ("namespace", "name", "audience", "role", "error", "words"),
    [
        ("system", "operator", "kube", "operator", hvac.exceptions.Forbidden, "invalid audience"),
        ("system", "other", "vault", "operator", hvac.exceptions.Forbidden, "service account name not authorized"),
        ("elsewhere", "operator", "vault", "operator", hvac.exceptions.Forbidden, "namespace not authorized"),
        ("system", "operator", "vault", "nobody", hvac.exceptions.InvalidRequest, "invalid role name"),
    ],
)
def test_a_login_is_refused(
    vault: Vault,
    client: Client,
    namespace: str,
    name: str,
    audience: str,
    role: str,
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        client(token="").auth.kubernetes.login(role, vault.cluster.token(namespace, name, audience=audience))


def test_a_token_of_another_cluster_is_refused(client: Client) -> None:
    token = Vault().cluster.token("system", "operator", audience="vault")
    with pytest.raises(hvac.exceptions.Forbidden):
        client(token="").auth.kubernetes.login("operator", token)


def test_a_lease_ends_unless_it_is_renewed(vault: Vault, client: Client) -> None:
    guest = client(token="")
    guest.auth.kubernetes.login("operator", vault.cluster.token("system", "operator", audience="vault"))
    vault.ahead_s = 3_000
    guest.auth.token.renew_self()
    vault.ahead_s = 6_000
    assert guest.auth.token.lookup_self()["data"]["ttl"] in range(590, 601)
    vault.ahead_s = 6_700
    with pytest.raises(hvac.exceptions.Forbidden):
        guest.auth.token.lookup_self()


def test_a_revoked_token_opens_nothing(client: Client) -> None:
    guest = client()
    guest.auth.token.revoke_self()
    with pytest.raises(hvac.exceptions.Forbidden):
        client().auth.token.lookup_self()


def test_a_namespace_has_engines_of_its_own(vault: Vault, client: Client) -> None:
    vault.engines["team", "secret"] = Engine()
    vault.engines["team", "secret"].write("a", {"key": "theirs"})
    found = client(namespace="team").secrets.kv.v2.read_secret_version("a", raise_on_deleted_version=True)
    assert found["data"]["data"] == {"key": "theirs"}
    with pytest.raises(hvac.exceptions.InvalidPath):
        client().secrets.kv.v2.read_secret_version("a", raise_on_deleted_version=True)


def test_a_sealed_vault_says_so(vault: Vault, client: Client) -> None:
    vault.sealed = True
    assert client().sys.read_health_status(method="GET").json()["sealed"] is True
    with pytest.raises(hvac.exceptions.VaultDown, match="Vault is sealed"):
        client().secrets.kv.v2.read_secret_version("a", raise_on_deleted_version=True)
