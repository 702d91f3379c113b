"""Every credential handed out is in the log: to whom and until when, and nothing of its value."""

import logging

import pytest

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, Basic, Credential
from pilothouse_api.snapshot.stream import Subject
from pilothouse_operator.distribution import audit
from pilothouse_operator.distribution.handing import Shows
from pilothouse_operator.ports import ProxyIdentity

PROXY = ProxyIdentity(
    scope=GATEWAY_SCOPE,
    subject=Subject(namespace="gateways", service_account="gateway"),
    pod="gateway-0",
    pod_uid="uid-0",
    expires=0.0,
)
SESSION = AccessKey(
    access_key_id="ASIAEXAMPLE000000001",
    secret_access_key=Secret("planted-secret"),
    session_token=Secret("planted-token"),
    expires_at=86_400,
)


def audited(caplog: pytest.LogCaptureFixture, credential: Credential | Basic, shows: Shows = Shows.PROVIDER) -> str:
    with caplog.at_level(logging.INFO):
        audit.handed_out(PROXY, {(ProviderKey("team-a/bedrock"), shows): credential})
    [record] = caplog.records
    return record.getMessage()


def test_a_line_says_who_got_which_providers_credential_and_until_when(caplog: pytest.LogCaptureFixture) -> None:
    line = audited(caplog, SESSION)
    assert line == (
        "handed out the credential of team-a/bedrock to pod gateways/gateway-0 (ServiceAccount gateway, gateway), "
        f"until 1970-01-02T00:00:00Z ({canonical.fingerprint(SESSION)})"
    )
    assert "planted" not in line


def test_a_key_that_lasts_is_told_without_a_hash_to_guess_at(caplog: pytest.LogCaptureFixture) -> None:
    assert audited(caplog, APIKey(key=Secret("planted-key"))).endswith("which does not end by itself")


def test_what_a_forward_proxy_is_shown_has_a_line_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    basic = Basic(username=Secret("planted-user"), password=Secret("planted-password"))
    line = audited(caplog, basic, Shows.FORWARD_PROXY)
    assert line == (
        "handed out the user and password for the forward proxy of team-a/bedrock to pod gateways/gateway-0 "
        "(ServiceAccount gateway, gateway), which does not end by itself"
    )
