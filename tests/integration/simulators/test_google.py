"""google-auth, unmodified, against the sign-in services, and Secret Manager with its sessions."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import google.auth.exceptions
import pytest
from google.auth import identity_pool, impersonated_credentials
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2 import service_account

from tests.simulators.google.identity import POOL, SCOPE
from tests.simulators.google.secret_manager import State, crc32c
from tests.simulators.google.service import Google
from tests.simulators.wire.threaded import serving

READER = "reader@simulated.iam.gserviceaccount.com"
NODE = "node@simulated.iam.gserviceaccount.com"
SECRET = "projects/simulated/secrets/openai"

BY_METADATA = f"""
import google.auth, google.auth.transport.requests
credentials, project = google.auth.default(scopes=[{SCOPE!r}])
credentials.refresh(google.auth.transport.requests.Request())
print(project, credentials.service_account_email, credentials.token)
"""


@pytest.fixture
def google_cloud() -> Google:
    made = Google(node=NODE)
    made.secret_manager.add(SECRET, b"one", READER)
    return made


@pytest.fixture
def url(google_cloud: Google) -> Iterator[str]:
    with serving(google_cloud) as where:
        yield where


def keyed(google_cloud: Google, url: str, **changed: object) -> service_account.Credentials:
    info = json.loads(google_cloud.identity.key_file(READER, **changed))
    return service_account.Credentials.from_service_account_info(info | {"token_uri": f"{url}/token"}, scopes=[SCOPE])


@pytest.fixture
def session(google_cloud: Google, url: str) -> Iterator[AuthorizedSession]:
    with AuthorizedSession(keyed(google_cloud, url)) as made:
        yield made


def test_a_node_tells_its_account_and_gives_tokens(google_cloud: Google, url: str, tmp_path: Path) -> None:
    host = url.removeprefix("http://")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE", "GCE", "NO_GCE"))}
    environ = {**kept, "HOME": str(tmp_path), "GCE_METADATA_HOST": host, "GCE_METADATA_IP": host}
    done = subprocess.run(
        [sys.executable, "-c", BY_METADATA], env=environ, capture_output=True, text=True, check=True, timeout=60
    )
    project, email, token = done.stdout.split()
    assert (project, email) == ("simulated", NODE)
    assert google_cloud.identity.tokens[token].email == NODE


def test_a_key_signs_in_and_reads(session: AuthorizedSession, url: str) -> None:
    answer = session.get(f"{url}/v1/{SECRET}/versions/latest:access").json()
    assert answer["name"] == f"{SECRET}/versions/1"
    assert base64.b64decode(answer["payload"]["data"]) == b"one"
    assert answer["payload"]["dataCrc32c"] == str(crc32c(b"one"))


def test_the_checksum_is_the_published_one() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"\x00" * 32) == 0x8A9136AA


def test_a_key_of_another_account_is_refused(google_cloud: Google, url: str) -> None:
    credentials = keyed(google_cloud, url, private_key_id="another")
    with pytest.raises(google.auth.exceptions.RefreshError, match="invalid_grant: Invalid JWT Signature"):
        credentials.refresh(Request())


def test_an_account_acts_as_another_that_lets_it(google_cloud: Google, url: str) -> None:
    target = "target@simulated.iam.gserviceaccount.com"
    credentials = impersonated_credentials.Credentials(
        keyed(google_cloud, url),
        target,
        [SCOPE],
        iam_endpoint_override=f"{url}/v1/projects/-/serviceAccounts/{target}:generateAccessToken",
    )
    with pytest.raises(google.auth.exceptions.RefreshError, match="getAccessToken"):
        credentials.refresh(Request())
    google_cloud.identity.creators[target] = {READER}
    credentials.refresh(Request())
    assert google_cloud.identity.tokens[credentials.token].email == target
    assert not credentials.expired


def test_a_cluster_s_token_is_exchanged(google_cloud: Google, url: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    info = {
        "type": "external_account",
        "audience": POOL,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{url}/v1/token",
        "credential_source": {"file": str(file)},
    }
    credentials = identity_pool.Credentials.from_info(info, scopes=[SCOPE])
    file.write_text(google_cloud.identity.cluster.token("system", "operator", audience="another"))
    with pytest.raises(google.auth.exceptions.OAuthError, match="invalid_grant"):
        credentials.refresh(Request())
    file.write_text(google_cloud.identity.cluster.token("system", "operator", audience=POOL))
    credentials.refresh(Request())
    assert google_cloud.identity.tokens[credentials.token].email == "system:serviceaccount:system:operator"


@pytest.mark.parametrize(
    ("secret", "version", "code", "status"),
    [
        ("nobody", "latest", 404, "NOT_FOUND"),
        ("openai", "9", 404, "NOT_FOUND"),
        ("openai", "alias", 404, "NOT_FOUND"),
        ("closed", "latest", 403, "PERMISSION_DENIED"),
        ("off", "latest", 400, "FAILED_PRECONDITION"),
    ],
)
def test_what_cannot_be_read(
    google_cloud: Google, url: str, session: AuthorizedSession, secret: str, version: str, code: int, status: str
) -> None:
    google_cloud.secret_manager.add("projects/simulated/secrets/closed", b"x")
    google_cloud.secret_manager.add("projects/simulated/secrets/off", b"x", READER).versions[0].state = State.DISABLED
    answer = session.get(f"{url}/v1/projects/simulated/secrets/{secret}/versions/{version}:access")
    assert (answer.status_code, answer.json()["error"]["status"]) == (code, status)


def test_a_token_that_has_ended_is_renewed_by_the_session(
    google_cloud: Google, url: str, session: AuthorizedSession
) -> None:
    session.get(f"{url}/v1/{SECRET}/versions/1:access")
    google_cloud.identity.tokens.clear()
    assert session.get(f"{url}/v1/{SECRET}/versions/1:access").status_code == 200
    assert google_cloud.times("/token") == 2
