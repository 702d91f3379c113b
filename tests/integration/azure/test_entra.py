"""Tokens of Entra by azure-identity: every kind of identity, new at every issue, and every refusal with its advice."""

from __future__ import annotations

import dataclasses
import logging
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import BearerToken
from pilothouse_operator.clouds import entra as entra_module
from pilothouse_operator.clouds.entra import Entra, connect
from pilothouse_operator.compile.identities import AWSIdentity, AWSSession, EntraAccess, EntraIdentity, EntraWay
from pilothouse_operator.credentials.entra import EntraTokens
from pilothouse_operator.ports import Application as Wanted
from pilothouse_operator.ports import Fault, Issued
from tests.integration.azure.conftest import CLIENT_ID, CLIENT_SECRET
from tests.simulators.entra import managed, pems
from tests.simulators.entra.directory import TENANT_ID, Application, Federated, ManagedIdentity, TrustedName
from tests.simulators.entra.fleet import EntraSimulator
from tests.simulators.entra.service import CLOSE, RESET, SILENCE, answered, refusal
from tests.simulators.entra.tokens import verified
from tests.simulators.wire.replies import Reply

COGNITIVE = "https://cognitiveservices.azure.com"
SCOPE = COGNITIVE + "/.default"
SYSTEM = ManagedIdentity("system-client", "system-object")
USER = ManagedIdentity("user-client", "user-object", "/subscriptions/s/resourceGroups/r/providers/user")
MANAGED = EntraIdentity(way=EntraWay.MANAGED_IDENTITY, authority="")
SUBJECT = "system:serviceaccount:pilothouse:operator"
ISSUER = "https://oidc.example/cluster"


async def issued(entra: Entra, identity: EntraIdentity, **values: str) -> Issued:
    secrets = {name: Secret(value) for name, value in values.items()}
    grant = EntraAccess(identity=identity, scope=SCOPE)
    return await EntraTokens(entra=entra).issue(Wanted(grant=grant, values=secrets))


async def refused(entra: Entra, identity: EntraIdentity, **values: str) -> Fault:
    with pytest.raises(Fault) as caught:
        await issued(entra, identity, **values)
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    for value in values.values():
        assert not any(line in shown for line in value.splitlines()), "a value is shown"
    assert len(caught.value.message) < 800
    assert caught.value.message.isprintable()
    return caught.value


def token(found: Issued) -> str:
    assert isinstance(found.credential, BearerToken)
    return found.credential.token.reveal()


def claims(azure: EntraSimulator, found: Issued) -> dict[str, Any]:
    return verified(token(found), keys=azure.mint.public_keys, audiences=[COGNITIVE])


async def test_an_application_signs_in_with_its_secret(
    azure: EntraSimulator, entra: Entra, principal: EntraIdentity
) -> None:
    found = await issued(entra, principal, clientSecret=CLIENT_SECRET)
    assert claims(azure, found)["appid"] == CLIENT_ID


@pytest.mark.parametrize("password", [None, "planted password"])
async def test_an_application_signs_in_with_a_certificate(
    azure: EntraSimulator, entra: Entra, principal: EntraIdentity, password: str | None
) -> None:
    identity = pems.made("app")
    azure.directory.applications[CLIENT_ID].certificates.append(identity.certificate)
    values = {"certificate": identity.pem(password)} | ({"password": password} if password else {})
    assert claims(azure, await issued(entra, principal, **values))["appid"] == CLIENT_ID
    assert azure.service.asked[0].way == "certificate"


async def test_a_certificate_that_is_sent_along_counts_by_subject_and_issuer(
    azure: EntraSimulator, entra: Entra, principal: EntraIdentity
) -> None:
    authority = pems.made("Corporate CA", authority=True)
    leaf = pems.made("pilothouse.example", issuer=authority)
    trusted = TrustedName(authority.certificate, "pilothouse.example")
    azure.directory.applications[CLIENT_ID].trusted_names.append(trusted)
    # The authority's stands first: what counts is which one belongs to the key.
    pem = authority.certificate_pem + leaf.pem()
    sending = dataclasses.replace(principal, send_chain=True)
    assert claims(azure, await issued(entra, sending, certificate=pem))["appid"] == CLIENT_ID
    fault = await refused(entra, principal, certificate=pem)
    assert (fault.field, fault.passing) == ("certificate", False)


class ServiceAccount:
    """A cluster that issues tokens, one of them in a file, as kubelet keeps it."""

    def __init__(self, azure: EntraSimulator, file: Path) -> None:
        self._issuer = pems.made("issuer")
        key = self._issuer.certificate.public_key()
        azure.directory.issuers[ISSUER] = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        azure.directory.applications[CLIENT_ID].federated.append(Federated(ISSUER, SUBJECT))
        self.file = file
        self.write()

    def write(self, **changed: Any) -> None:
        body = {"iss": ISSUER, "sub": SUBJECT, "aud": ["api://AzureADTokenExchange"], "exp": 4_000_000_000, **changed}
        self.file.write_text(jwt.encode(body, self._issuer.key, algorithm="RS256"))


@pytest.fixture
def service_account(azure: EntraSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServiceAccount:
    """In a pod that AKS has prepared."""
    found = ServiceAccount(azure, tmp_path / "azure-identity-token")
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT_ID)
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(found.file))
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", azure.authority)
    return found


@pytest.fixture
def workload(azure: EntraSimulator) -> EntraIdentity:
    return EntraIdentity(way=EntraWay.WORKLOAD_IDENTITY, authority=azure.authority)


async def test_the_pod_signs_in_with_its_workload_identity(
    azure: EntraSimulator, entra: Entra, workload: EntraIdentity, service_account: ServiceAccount
) -> None:
    assert claims(azure, await issued(entra, workload))["appid"] == CLIENT_ID


async def test_the_manifest_may_name_another_application_for_the_workload(
    azure: EntraSimulator, entra: Entra, workload: EntraIdentity, service_account: ServiceAccount
) -> None:
    azure.directory.add(Application("other", federated=[Federated(ISSUER, SUBJECT)]))
    other = dataclasses.replace(workload, client_id="other", tenant_id=TENANT_ID)
    assert claims(azure, await issued(entra, other))["appid"] == "other"


async def test_the_file_of_the_workload_is_read_for_every_token(
    entra: Entra, workload: EntraIdentity, service_account: ServiceAccount
) -> None:
    await issued(entra, workload)
    service_account.write(sub="system:serviceaccount:other:other")
    fault = await refused(entra, workload)
    assert "federated credential" in fault.message
    assert "system:serviceaccount:other:other" in fault.message
    assert (fault.reason, fault.passing) == (Reason.SIGN_IN_REFUSED, False)


async def test_the_workload_may_sign_in_by_the_proxy_of_aks(
    azure: EntraSimulator, entra: Entra, service_account: ServiceAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_KUBERNETES_TOKEN_PROXY", azure.authority)
    monkeypatch.setenv("AZURE_KUBERNETES_CA_FILE", azure.tls.ca_file)
    elsewhere = EntraIdentity(way=EntraWay.WORKLOAD_IDENTITY, authority="https://login.invalid")
    assert claims(azure, await issued(entra, elsewhere))["appid"] == CLIENT_ID


@pytest.fixture(params=["imds", "app service"])
def hosted(request: pytest.FixtureRequest, azure: EntraSimulator, monkeypatch: pytest.MonkeyPatch) -> EntraSimulator:
    if request.param == "app service":
        monkeypatch.setenv("IDENTITY_ENDPOINT", azure.identity_endpoint)
        monkeypatch.setenv("IDENTITY_HEADER", managed.IDENTITY_HEADER)
    azure.directory.system_assigned = SYSTEM
    azure.directory.user_assigned = [USER]
    return azure


@pytest.mark.parametrize("name", ["client_id", "object_id", "resource_id"])
async def test_a_managed_identity_is_found_by_any_of_its_ids(hosted: EntraSimulator, entra: Entra, name: str) -> None:
    identity = dataclasses.replace(MANAGED, **{name: getattr(USER, name)})
    assert claims(hosted, await issued(entra, identity))["appid"] == USER.client_id


async def test_the_system_assigned_identity_needs_no_id(hosted: EntraSimulator, entra: Entra) -> None:
    assert claims(hosted, await issued(entra, MANAGED))["appid"] == SYSTEM.client_id


async def test_an_identity_that_is_not_assigned_is_named(hosted: EntraSimulator, entra: Entra) -> None:
    fault = await refused(entra, dataclasses.replace(MANAGED, client_id="nobody"))
    assert "the managed identity nobody" in fault.message
    assert "assign it" in fault.message
    assert (fault.reason, fault.passing) == (Reason.SIGN_IN_REFUSED, False)


async def test_a_managed_identity_on_aks_is_that_of_the_workload(
    azure: EntraSimulator, entra: Entra, service_account: ServiceAccount
) -> None:
    assert claims(azure, await issued(entra, MANAGED))["appid"] == CLIENT_ID
    assert azure.service.asked[0].way == "federated"


@pytest.mark.parametrize(("name", "field"), [("object_id", "objectId"), ("resource_id", "resourceId")])
async def test_a_workload_is_no_managed_identity_of_another_id(
    azure: EntraSimulator, entra: Entra, service_account: ServiceAccount, name: str, field: str
) -> None:
    fault = await refused(entra, dataclasses.replace(MANAGED, **{name: "some"}))
    assert (fault.field, fault.passing) == (field, False)
    assert azure.service.asked == []


async def test_every_issue_asks_entra(azure: EntraSimulator, entra: Entra, principal: EntraIdentity) -> None:
    found = [await issued(entra, principal, clientSecret=CLIENT_SECRET) for _ in range(3)]
    assert len(azure.service.asked) == 3
    assert len({token(one) for one in found}) == 3


async def test_every_issue_asks_the_endpoint_of_managed_identities(hosted: EntraSimulator, entra: Entra) -> None:
    first, second = await issued(entra, MANAGED), await issued(entra, MANAGED)
    assert len(hosted.managed.asked) == 2
    # The endpoint hands out what it has, with the end that this has.
    assert abs(second.expires_at - first.expires_at) <= 1


@pytest.mark.parametrize("life_s", [60, 3_599, 86_400])
async def test_the_end_of_a_token_is_told(
    azure: EntraSimulator, entra: Entra, principal: EntraIdentity, life_s: int
) -> None:
    azure.service.life_s = life_s
    found = await issued(entra, principal, clientSecret=CLIENT_SECRET)
    assert isinstance(found.credential, BearerToken)
    assert found.credential.expires_at == found.expires_at
    assert abs(found.expires_at - claims(azure, found)["exp"]) <= 1


async def test_tokens_are_not_made_to_be_taken_away(
    azure: EntraSimulator, entra: Entra, principal: EntraIdentity
) -> None:
    await issued(entra, principal, clientSecret=CLIENT_SECRET)
    assert azure.service.asked[0].cae is False


async def test_another_clouds_grant_is_a_mistake_of_ours(entra: Entra) -> None:
    grant = AWSSession(identity=AWSIdentity(region="eu-west-1"))
    with pytest.raises(TypeError):
        await EntraTokens(entra=entra).issue(Wanted(grant=grant, values={}))


@pytest.mark.parametrize(
    ("changed", "values", "field", "advice"),
    [
        ({}, {"clientSecret": "planted-wrong-secret"}, "clientSecret", "its value (not its id)"),
        ({}, {"clientSecret": "planted-old-secret"}, "clientSecret", "has expired: make a new one"),
        ({"client_id": "unknown"}, {"clientSecret": CLIENT_SECRET}, "clientId", "no such application"),
        ({"tenant_id": "unknown"}, {"clientSecret": CLIENT_SECRET}, "tenantId", "no such tenant"),
        ({"client_id": "disabled"}, {"clientSecret": CLIENT_SECRET}, "clientId", "is disabled: enable it"),
    ],
)
async def test_what_somebody_has_to_mend_is_said_and_not_tried_often(
    azure: EntraSimulator,
    entra: Entra,
    principal: EntraIdentity,
    changed: Mapping[str, str],
    values: Mapping[str, str],
    field: str,
    advice: str,
) -> None:
    azure.directory.applications[CLIENT_ID].secrets["planted-old-secret"] = 1_000_000_000
    azure.directory.add(Application("disabled", secrets={CLIENT_SECRET: None}, enabled=False))
    fault = await refused(entra, dataclasses.replace(principal, **changed), **values)
    assert advice in fault.message
    assert (fault.field, fault.passing, fault.reason) == (field, False, Reason.SIGN_IN_REFUSED)


async def test_the_same_refusal_is_told_in_the_same_words(entra: Entra, principal: EntraIdentity) -> None:
    first, second = [await refused(entra, principal, clientSecret="planted-wrong") for _ in range(2)]
    assert first.message == second.message


async def test_an_unknown_scope_is_asked_about(entra: Entra, principal: EntraIdentity) -> None:
    grant = EntraAccess(identity=principal, scope="https://cognitiveservices.azure.cn/.default")
    wanted = Wanted(grant=grant, values={"clientSecret": Secret(CLIENT_SECRET)})
    with pytest.raises(Fault, match="another of Azure's clouds") as caught:
        await EntraTokens(entra=entra).issue(wanted)
    assert not caught.value.passing


@pytest.mark.parametrize(
    "pem",
    [
        lambda: "planted: no PEM",
        lambda: pems.made("app").certificate_pem,
        lambda: pems.made("app").key_pem(),
        lambda: pems.made("app").key_pem() + pems.made("app").certificate_pem,
        lambda: pems.made("app").pem("planted password"),
    ],
    ids=["no PEM", "no key", "no certificate", "of another key", "no password"],
)
async def test_what_is_no_certificate_is_not_sent(
    azure: EntraSimulator, entra: Entra, principal: EntraIdentity, pem: Callable[[], str]
) -> None:
    fault = await refused(entra, principal, certificate=pem())
    assert (fault.reason, fault.field) == (Reason.SECRET_MALFORMED, "certificate")
    assert azure.service.asked == []


async def test_a_wrong_password_of_the_certificate_is_not_shown(entra: Entra, principal: EntraIdentity) -> None:
    fault = await refused(entra, principal, certificate=pems.made("app").pem("right"), password="planted-password")
    assert fault.reason is Reason.SECRET_MALFORMED


@pytest.mark.parametrize(
    "changed", [{"authority": "http://login.example"}, {"tenant_id": "no tenant"}, {"tenant_id": ""}]
)
async def test_what_the_sdk_does_not_take_is_a_fault(
    entra: Entra, principal: EntraIdentity, changed: Mapping[str, str]
) -> None:
    fault = await refused(entra, dataclasses.replace(principal, **changed), clientSecret=CLIENT_SECRET)
    assert (fault.reason, fault.passing) == (Reason.SIGN_IN_REFUSED, False)


async def test_a_pod_without_workload_identity_is_told_what_is_missing(entra: Entra, workload: EntraIdentity) -> None:
    fault = await refused(entra, workload)
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "azure.workload.identity/use"):
        assert name in fault.message


async def test_a_file_of_the_workload_that_is_gone_is_named(
    entra: Entra, workload: EntraIdentity, service_account: ServiceAccount
) -> None:
    service_account.file.unlink()
    fault = await refused(entra, workload)
    assert "AZURE_FEDERATED_TOKEN_FILE" in fault.message


async def test_entra_may_ask_us_to_slow_down(azure: EntraSimulator, entra: Entra, principal: EntraIdentity) -> None:
    azure.service.instead.append(refusal(90055, ("retry-after", "17")))
    fault = await refused(entra, principal, clientSecret=CLIENT_SECRET)
    assert (fault.throttled, fault.retry_after_s, fault.passing) == (True, 17.0, True)
    assert len(azure.service.asked) == 0, "the SDK has tried again by itself"


@pytest.mark.parametrize("value", [None, "soon", "-1", "9" * 400, "Wed, 21 Oct 2026 07:28:00 GMT"])
async def test_a_time_to_wait_that_is_none_is_left_out(
    azure: EntraSimulator, entra: Entra, principal: EntraIdentity, value: str | None
) -> None:
    headers = [] if value is None else [("retry-after", value)]
    azure.service.instead.append(answered(429, "<html>Too many</html>", *headers))
    fault = await refused(entra, principal, clientSecret=CLIENT_SECRET)
    assert (fault.throttled, fault.retry_after_s) == (True, None)


@pytest.mark.parametrize("reply", [RESET, CLOSE], ids=["reset", "closed"])
async def test_a_connection_that_breaks_is_made_anew_once(
    azure: EntraSimulator, entra: Entra, principal: EntraIdentity, reply: Reply
) -> None:
    azure.service.instead.append(reply)
    assert claims(azure, await issued(entra, principal, clientSecret=CLIENT_SECRET))
    azure.service.instead.extend([reply, reply])
    fault = await refused(entra, principal, clientSecret=CLIENT_SECRET)
    assert (fault.reason, fault.passing) == (Reason.SIGN_IN_UNAVAILABLE, True)


async def test_silence_ends(
    azure: EntraSimulator, entra: Entra, principal: EntraIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entra_module, "PATIENCE_S", 0.2)
    azure.service.instead.append(SILENCE)
    fault = await refused(entra, principal, clientSecret=CLIENT_SECRET)
    assert (fault.reason, fault.passing) == (Reason.SIGN_IN_UNAVAILABLE, True)
    assert "within 0.2 s" in fault.message


async def test_a_pause_in_an_answer_ends_too(
    azure: EntraSimulator, principal: EntraIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(entra_module._TIMEOUTS, "read_timeout", 0.2)
    async with connect() as session:
        azure.service.instead.append(SILENCE)
        fault = await refused(Entra(session=session), principal, clientSecret=CLIENT_SECRET)
    assert "does not answer" in fault.message
    assert (fault.reason, fault.passing) == (Reason.SIGN_IN_UNAVAILABLE, True)


@pytest.mark.parametrize(
    "reply",
    [
        answered(500, {"error": "server_error", "error_description": "planted"}),
        answered(503, "<html>planted</html>", ("content-type", "text/html")),
        answered(502, ""),
        answered(503, {"unexpected": "planted"}),
        answered(200, "<html>planted</html>", ("content-type", "text/html")),
        answered(200, ""),
        answered(200, '{"half', ("content-type", "application/json")),
        answered(200, []),
        answered(200, "null", ("content-type", "application/json")),
        answered(200, {}),
        answered(200, {"expires_in": 3600}),
        answered(200, {"access_token": "planted", "expires_in": "soon"}),
        answered(200, {"access_token": None, "expires_in": 3600}),
        answered(200, {"access_token": "planted\r\nx-planted: 1", "expires_in": 3600}),
        answered(200, {"access_token": "", "expires_in": 3600}),
        refusal(90033),
    ],
)
async def test_nonsense_is_a_passing_fault_and_not_quoted(
    azure: EntraSimulator, entra: Entra, principal: EntraIdentity, reply: Reply
) -> None:
    azure.service.instead.extend([reply] * 2)
    fault = await refused(entra, principal, clientSecret=CLIENT_SECRET)
    assert (fault.reason, fault.passing) == (Reason.SIGN_IN_UNAVAILABLE, True)
    assert "planted" not in fault.message


async def test_an_authority_that_repeats_what_it_was_given_does_not_put_it_into_the_status(
    azure: EntraSimulator, entra: Entra, principal: EntraIdentity
) -> None:
    assertion = "eyJhbGciOiJQUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJl"
    told = {"error": "invalid_client", "error_description": f"AADSTS9: you sent {CLIENT_SECRET}\r\nand {assertion}"}
    azure.service.instead.append(answered(401, told))
    fault = await refused(entra, principal, clientSecret=CLIENT_SECRET)
    assert "you sent [redacted] and [redacted]" in fault.message


async def test_a_server_of_another_authority_gets_nothing(
    azure: EntraSimulator, principal: EntraIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    async with connect() as session:
        fault = await refused(Entra(session=session), principal, clientSecret=CLIENT_SECRET)
    assert (fault.reason, fault.passing) == (Reason.SIGN_IN_UNAVAILABLE, True)
    assert "certificate" in fault.message
    assert azure.service.asked == []


async def test_a_machine_that_is_not_in_azure_is_asked_about(
    azure: EntraSimulator, entra: Entra, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    fault = await refused(entra, MANAGED)
    assert "Does the operator run on Azure" in fault.message
    assert (fault.reason, fault.passing) == (Reason.SIGN_IN_UNAVAILABLE, True)


@pytest.mark.parametrize("status", [404, 410, 500, 503])
async def test_an_endpoint_of_managed_identities_that_is_updated_is_tried_again(
    azure: EntraSimulator, entra: Entra, status: int
) -> None:
    azure.managed.instead.append(answered(status, {"error": "updating", "error_description": "not now"}))
    fault = await refused(entra, MANAGED)
    assert (fault.reason, fault.passing, fault.throttled) == (Reason.SIGN_IN_UNAVAILABLE, True, False)


async def test_an_endpoint_of_managed_identities_may_ask_us_to_slow_down(hosted: EntraSimulator, entra: Entra) -> None:
    hosted.managed.instead.append(answered(429, {"error": "too_many_requests"}, ("retry-after", "5")))
    fault = await refused(entra, MANAGED)
    assert (fault.throttled, fault.retry_after_s) == (True, 5.0)


async def test_nothing_secret_is_logged_or_shown(
    azure: EntraSimulator, entra: Entra, principal: EntraIdentity, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("azure", "aiohttp", "asyncio"):
        caplog.set_level(logging.DEBUG, name)
    found = await issued(entra, principal, clientSecret=CLIENT_SECRET)
    await refused(entra, principal, clientSecret="planted-wrong-secret")
    shown = caplog.text + repr(found) + str(found)
    assert "azure.identity" in caplog.text
    for value in (CLIENT_SECRET, "planted-wrong-secret", token(found)):
        assert value not in shown


def test_the_sdk_is_quiet() -> None:
    assert not logging.getLogger("azure.identity").isEnabledFor(logging.WARNING)
