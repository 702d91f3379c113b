"""Secrets of Google Secret Manager: what is fetched, and what is said when there is nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.clouds.google import Endpoints, GoogleTokens
from pilothouse_operator.compile.identities import GoogleIdentity, GoogleSecretAddress, VaultAddress, VaultIdentity
from pilothouse_operator.ports import Fault, Fetched
from pilothouse_operator.secretstores import google_secret_manager as module
from pilothouse_operator.secretstores.google_secret_manager import GoogleSecretManager
from tests.simulators.google.secret_manager import State, crc32c
from tests.simulators.google.service import Google
from tests.simulators.wire import replies
from tests.simulators.wire.replies import Ending, Reply
from tests.simulators.wire.threaded import serving
from tests.unit.operator.clouds.tls import server_context
from tests.unit.proxy.http.certificates import Authority

READER = "reader@simulated.iam.gserviceaccount.com"
NAME = "projects/simulated/secrets/openai"
PLANTED = "sk-PLANTED-0000000001"


class Stand:
    def __init__(self, url: str, google: Google) -> None:
        self.google = google
        self.sign_in = {"key": Secret(google.identity.key_file(READER))}
        self.address = GoogleSecretAddress(
            identity=GoogleIdentity(), project="simulated", secret="openai", endpoint=url
        )
        self.store = GoogleSecretManager(tokens=GoogleTokens(endpoints=Endpoints(token=f"{url}/token")))

    def add(self, content: bytes) -> None:
        self.google.secret_manager.add(NAME, content, READER)

    async def fetch(self, known: str | None = None, **changed: str) -> Fetched:
        found = await self.store.fetch(replace(self.address, **changed), self.sign_in, known=known)  # type: ignore[arg-type]
        assert found is not None
        return found

    async def fault(self, **changed: str) -> Fault:
        with pytest.raises(Fault) as caught:
            await self.fetch(**changed)
        return caught.value

    def interrupt(self, *answers: Reply) -> None:
        self.google.interruptions = [("/v1/projects", reply) for reply in answers]


def whole(status: int, body: bytes = b"", *headers: tuple[str, str]) -> Reply:
    return Reply([(0.0, replies.whole(status, headers, body))])


@pytest.fixture
def stand() -> Iterator[Stand]:
    google = Google()
    with serving(google) as url:
        yield Stand(url, google)


async def test_latest_is_the_newest_version_by_its_number(stand: Stand) -> None:
    stand.add(b"one")
    stand.add("schlüssel\n".encode())
    assert await stand.fetch() == Fetched(value=Secret("schlüssel\n"), version="2")


async def test_a_version_may_be_named_by_number_and_alias(stand: Stand) -> None:
    stand.add(b"one")
    stand.add(b"two")
    stand.google.secret_manager.secrets[NAME].aliases["live"] = 1
    assert await stand.fetch(version="1") == Fetched(value=Secret("one"), version="1")
    assert await stand.fetch(version="live") == Fetched(value=Secret("one"), version="1")


async def test_a_secret_made_anew_is_not_taken_for_the_old_one(stand: Stand) -> None:
    stand.add(b"one")
    first = await stand.fetch()
    del stand.google.secret_manager.secrets[NAME]
    stand.add(b"two")
    assert (await stand.fetch(known=first.version)).value == Secret("two")


async def test_an_empty_and_a_largest_secret(stand: Stand) -> None:
    stand.add(b"")
    assert (await stand.fetch()).value == Secret("")
    stand.add(b"x" * 65_536)
    assert (await stand.fetch()).value == Secret("x" * 65_536)


async def test_a_token_that_is_refused_is_replaced_and_the_call_made_again(stand: Stand) -> None:
    stand.add(b"one")
    await stand.fetch()
    stand.google.identity.tokens.clear()
    assert await stand.fetch()
    assert stand.google.times("/token") == 2


async def test_an_endpoint_that_takes_no_token(stand: Stand) -> None:
    stand.interrupt(whole(401), whole(401), whole(401))
    fault = await stand.fault()
    assert (fault.reason, fault.passing) == (Reason.SIGN_IN_REFUSED, True)
    assert stand.google.times(":access") == 2


async def test_a_fault_of_the_sign_in_is_told(stand: Stand) -> None:
    stand.sign_in = {"key": Secret("nonsense")}
    assert (await stand.fault()).field == "key"


@pytest.mark.parametrize("changed", [{"secret": "nobody"}, {"version": "9"}, {"version": "alias"}])
async def test_a_missing_secret_or_version(stand: Stand, changed: dict[str, str]) -> None:
    stand.add(b"one")
    fault = await stand.fault(**changed)
    assert (fault.reason, fault.passing, fault.field) == (Reason.SECRET_NOT_FOUND, False, "secret")
    assert next(iter(changed.values())) in fault.message


@pytest.mark.parametrize(
    ("state", "words"), [(State.DISABLED, "is disabled: enable it"), (State.DESTROYED, "is destroyed: add a version")]
)
async def test_a_version_that_is_off(stand: Stand, state: State, words: str) -> None:
    stand.add(b"one")
    stand.google.secret_manager.secrets[NAME].versions[0].state = state
    fault = await stand.fault()
    assert (fault.reason, fault.passing, fault.field) == (Reason.SECRET_NOT_FOUND, False, "version")
    assert words in fault.message


async def test_an_account_without_the_role(stand: Stand) -> None:
    stand.google.secret_manager.add(NAME, b"one")
    fault = await stand.fault()
    assert (fault.reason, fault.passing, fault.field) == (Reason.SECRET_FORBIDDEN, False, "secret")
    assert "roles/secretmanager.secretAccessor" in fault.message


async def test_an_api_that_is_not_enabled(stand: Stand) -> None:
    stand.google.secret_manager.enabled = False
    fault = await stand.fault()
    assert (fault.reason, fault.field) == (Reason.SECRET_FORBIDDEN, "project")
    assert "enable secretmanager.googleapis.com" in fault.message


@pytest.mark.parametrize(("asked", "wait_s"), [("30", 30.0), ("soon", None)])
async def test_a_quota_is_heeded(stand: Stand, asked: str, wait_s: float | None) -> None:
    stand.interrupt(whole(429, b"{}", ("Retry-After", asked)))
    fault = await stand.fault()
    assert (fault.reason, fault.passing) == (Reason.STORE_UNAVAILABLE, True)
    assert (fault.throttled, fault.retry_after_s) == (True, wait_s)


@pytest.mark.parametrize("status", [500, 503, 599])
async def test_an_outage_is_passing(stand: Stand, status: int) -> None:
    stand.interrupt(whole(status, b"<html>"))
    fault = await stand.fault()
    assert (fault.reason, fault.passing, fault.throttled) == (Reason.STORE_UNAVAILABLE, True, False)


@pytest.mark.parametrize("status", [302, 400, 405])
async def test_an_odd_status_is_not_passing(stand: Stand, status: int) -> None:
    stand.interrupt(whole(status, b"{}", ("location", "http://127.0.0.1:1/")))
    fault = await stand.fault()
    assert (fault.reason, fault.passing) == (Reason.STORE_UNAVAILABLE, False)
    assert f"status {status}" in fault.message


@pytest.mark.parametrize(
    "reply",
    [
        whole(200),
        whole(200, b"[]"),
        whole(200, b"[" * 100_000),
        whole(200, b'{"payload": 7}'),
        whole(200, b'{"payload": {"data": 7}}'),
        whole(200, b'{"payload": {"data": "*"}}'),
        whole(200, '{"payload": {"data": "ü"}}'.encode()),
        whole(200, b" " * 200_000),
        Reply([], Ending.CLOSE),
        Reply([], Ending.RESET),
        Reply([(0.0, b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")], Ending.CLOSE),
        Reply([(0.0, b"SSH-2.0-OpenSSH_9.9\r\n")], Ending.CLOSE),
    ],
)
async def test_a_broken_answer_is_passing(stand: Stand, reply: Reply) -> None:
    stand.interrupt(reply, reply)  # a connection that ends without an answer is tried again
    fault = await stand.fault()
    assert (fault.reason, fault.passing) == (Reason.STORE_UNAVAILABLE, True)


@pytest.mark.parametrize("wait", [[(0.0, b"")], [(0.02, b" ")] * 1000])
async def test_a_server_that_says_nothing_or_drips_is_left(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, wait: list[tuple[float, bytes]]
) -> None:
    await stand.store._tokens.token(stand.address.identity, stand.sign_in["key"])
    monkeypatch.setattr(module, "_TIMEOUT", module.aiohttp.ClientTimeout(total=0.1))
    head = replies.head(200, [("content-length", "1000")])
    stand.interrupt(Reply([(0.0, head), *wait], Ending.HANG))
    assert (await stand.fault()).passing


async def test_a_damaged_payload_is_not_taken(stand: Stand) -> None:
    stand.add(PLANTED.encode())
    stand.google.secret_manager.damaged = True
    fault = await stand.fault()
    assert (fault.reason, fault.passing) == (Reason.STORE_UNAVAILABLE, True)
    assert "damaged" in fault.message


async def test_a_payload_without_a_checksum_is_taken(stand: Stand) -> None:
    stand.interrupt(whole(200, b'{"payload": {"data": "b25l"}}'))
    assert await stand.fetch(version="7") == Fetched(value=Secret("one"), version="7")


async def test_a_payload_that_is_no_text(stand: Stand) -> None:
    stand.add(b"\xff\xfe")
    fault = await stand.fault()
    assert (fault.reason, fault.passing, fault.field) == (Reason.SECRET_MALFORMED, False, "secret")


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "a?b", "a b", "a%2fb", "ü"])
@pytest.mark.parametrize("field", ["project", "secret", "version"])
async def test_what_is_no_name_is_not_asked_for(stand: Stand, field: str, text: str) -> None:
    fault = await stand.fault(**{field: text})
    assert (fault.reason, fault.field) == (Reason.SECRET_NOT_FOUND, field)
    assert stand.google.asked == []


@pytest.mark.parametrize("endpoint", ["nowhere", "ftp://x", "http://", "http://[", "http://127.0.0.1:99999"])
async def test_what_is_no_endpoint(stand: Stand, endpoint: str) -> None:
    fault = await stand.fault(endpoint=endpoint)
    assert (fault.reason, fault.passing, fault.field) == (Reason.STORE_UNAVAILABLE, False, "endpoint")
    assert stand.google.asked == []


async def test_nobody_listens(stand: Stand) -> None:
    fault = await stand.fault(endpoint="http://127.0.0.1:1")
    assert (fault.reason, fault.passing) == (Reason.STORE_UNAVAILABLE, True)


async def test_a_certificate_that_is_not_trusted(stand: Stand, tmp_path: Path) -> None:
    with serving(stand.google, tls=server_context(Authority(tmp_path, "other"), "127.0.0.1")) as url:
        fault = await stand.fault(endpoint=url)
    assert (fault.passing, fault.field) == (False, "endpoint")
    assert "is not trusted" in fault.message


def test_public_and_regional_names() -> None:
    address = GoogleSecretAddress(identity=GoogleIdentity(), project="example.com:p", secret="s-1")
    assert str(module._url(address)) == (
        "https://secretmanager.googleapis.com/v1/projects/example.com%3Ap/secrets/s-1/versions/latest:access"
    )
    regional = replace(address, project="p", endpoint="https://secretmanager.europe-west3.rep.googleapis.com/")
    assert str(module._url(regional)) == (
        "https://secretmanager.europe-west3.rep.googleapis.com"
        "/v1/projects/p/locations/europe-west3/secrets/s-1/versions/latest:access"
    )


@given(st.binary(max_size=300))
def test_the_checksum_is_castagnolis(content: bytes) -> None:
    assert module._crc32c(content) == crc32c(content)


async def test_no_value_token_or_key_is_said(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    stand.add(PLANTED.encode())
    await stand.fetch()
    token = next(iter(stand.google.identity.tokens))
    echo = json.dumps({"error": {"message": f"{PLANTED} {token}", "status": PLANTED, "details": [PLANTED]}}).encode()
    faults = []
    for status in (400, 401, 403, 404, 429, 500):
        stand.interrupt(whole(status, echo), whole(status, echo))
        faults.append(await stand.fault())
    said = caplog.text + "".join(repr(record.__dict__) for record in caplog.records)
    said += "".join(f"{fault}{fault!r}{fault.__dict__}{fault.__cause__}" for fault in faults)
    assert not [value for value in (PLANTED, token, "PRIVATE KEY") if value in said]


async def test_another_stores_address_is_a_mistake(stand: Stand) -> None:
    address = VaultAddress(identity=VaultIdentity(), server="https://vault", path="a")
    with pytest.raises(TypeError, match="VaultAddress"):
        await stand.store.fetch(address, {}, known=None)
