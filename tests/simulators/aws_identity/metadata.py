"""What a pod or a machine asks for its own credentials: the container endpoint (EKS Pod Identity, ECS), and IMDSv2.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

from tests.simulators.aws_identity.account import Account
from tests.simulators.wire import replies
from tests.simulators.wire.replies import Ending, Reply
from tests.simulators.wire.server import Request

CONTAINER_PATH: Final = "/v1/credentials"
ROLE: Final = "arn:aws:iam::111111111111:role/workload"
_IMDS_TOKEN: Final = "imds-token-1"
_ROLES: Final = "/latest/meta-data/iam/security-credentials/"


class MetadataService:
    """Gives sessions of ROLE."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def __call__(self, request: Request) -> Reply:
        path = request.path.decode()
        self._account.requests.append(path)
        trouble = self._account.troubles.popleft() if self._account.troubles else None
        if trouble is not None:
            if not trouble.status:
                return Reply([], ending=Ending.HANG)
            return _text(trouble.status, trouble.page or f"{trouble.message} {request.header(b'authorization')!r}")
        if path == CONTAINER_PATH:
            token = (request.header(b"authorization") or b"").decode("latin-1")
            if token != self._account.pod_token:
                return _text(403, f"the token {token} is not this pod's")
            return _text(200, json.dumps(self._credentials()))
        return self._instance(request, path)

    def _instance(self, request: Request, path: str) -> Reply:
        if request.method == b"PUT" and path == "/latest/api/token":
            return _text(200, _IMDS_TOKEN)
        if (request.header(b"x-aws-ec2-metadata-token") or b"").decode("latin-1") != _IMDS_TOKEN:
            return _text(401, "Unauthorized")
        if path == _ROLES:
            return _text(200, "workload")
        if path == _ROLES + "workload":
            return _text(200, json.dumps({"Code": "Success", "Type": "AWS-HMAC", **self._credentials()}))
        return _text(404, "Not Found")

    def _credentials(self) -> dict[str, str]:
        session = self._account.session(ROLE, name="pod", duration_s=21_600)
        assert session.expires_at is not None
        return {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "Token": session.token,
            "Expiration": datetime.fromtimestamp(session.expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "AccountId": "111111111111",
        }


def _text(status: int, body: str) -> Reply:
    return Reply([(0.0, replies.whole(status, [("content-type", "application/json")], body.encode()))])
