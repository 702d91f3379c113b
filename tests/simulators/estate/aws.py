"""AWS in the estate: moto's stores behind a sign-in that is checked, and the keys of STS as Bedrock sees them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import Client

from tests.simulators.aws_identity import account as accounts
from tests.simulators.aws_identity import signature
from tests.simulators.aws_identity.account import Account
from tests.simulators.credentials import AccessKey
from tests.simulators.wire import replies
from tests.simulators.wire.replies import Reply
from tests.simulators.wire.server import Request

REGION: Final = "us-east-1"
_JSON: Final = [("content-type", "application/x-amz-json-1.1")]
_SERVICES: Final = {"secretsmanager": "secretsmanager", "AmazonSSM": "ssm"}
_MEMBERS: Final = {
    "secretsmanager.GetSecretValue": ("secretsManager", "SecretId"),
    "AmazonSSM.GetParameter": ("parameterStore", "Name"),
}


class IssuedKeys(Mapping[str, AccessKey]):
    """What STS has given out and IAM knows, without what was revoked."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def __getitem__(self, key_id: str) -> AccessKey:
        holder = self._account.holders[key_id]
        if holder.revoked:
            raise KeyError(key_id)
        return AccessKey(
            access_key_id=holder.access_key_id,
            secret_access_key=holder.secret_access_key,
            session_token=holder.token or None,
            expires_at=holder.expires_at,
            holder=holder.arn,
            denied=holder.denied,
            policy=holder.policy,
        )

    def __iter__(self) -> Iterator[str]:
        return (key_id for key_id, holder in self._account.holders.items() if not holder.revoked)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class AWSStores:
    """Secrets Manager and the Parameter Store. moto lets everybody in; here a signature of the account is needed."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._moto = Client(DomainDispatcherApplication(create_backend_app))

    def __call__(self, request: Request) -> Reply:
        target = (request.header(b"x-amz-target") or b"").decode("latin-1")
        service = _SERVICES.get(target.partition(".")[0], "")
        who = signature.holder(request, self._account, service=service)
        if who is None or who.revoked:
            return _refused("UnrecognizedClientException", "The security token included in the request is invalid.")
        if who.expires_at is not None and request.received_at >= who.expires_at:
            return _refused("ExpiredTokenException", "The security token included in the request is expired")
        if who.denied:
            return _refused("AccessDeniedException", accounts.denial(who.arn, target, "*"))
        status, body = self._ask(service, target, request.body)
        return Reply([(0.0, replies.whole(status, _JSON, body))])

    def put_secret(self, name: str, text: str) -> None:
        """Another version, of a new secret if there is none."""
        said = json.dumps({"SecretId": name, "SecretString": text}).encode()
        status, _ = self._ask("secretsmanager", "secretsmanager.PutSecretValue", said)
        if status != 200:
            said = json.dumps({"Name": name, "SecretString": text}).encode()
            self._must("secretsmanager", "secretsmanager.CreateSecret", said)

    def put_parameter(self, name: str, text: str) -> None:
        """A SecureString, in place of what was there."""
        asked = {"Name": name, "Value": text, "Type": "SecureString", "Overwrite": True}
        self._must("ssm", "AmazonSSM.PutParameter", json.dumps(asked).encode())

    def _must(self, service: str, target: str, body: bytes) -> None:
        status, said = self._ask(service, target, body)
        if status != 200:
            raise ValueError(f"{target}: {said.decode()}")

    def _ask(self, service: str, target: str, body: bytes) -> tuple[int, bytes]:
        scope = f"AWS4-HMAC-SHA256 Credential=AKIAMOTO/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host"
        headers = {
            "authorization": f"{scope}, Signature=0",
            "x-amz-target": target,
            "content-type": "application/x-amz-json-1.1",
        }
        answer = self._moto.post("/", data=body, headers=headers, base_url=f"http://{service}.{REGION}.amazonaws.com")
        return answer.status_code, answer.get_data()


def read(request: Request) -> tuple[str, str] | None:
    """Store and name, if it asks for a value."""
    found = _MEMBERS.get((request.header(b"x-amz-target") or b"").decode("latin-1"))
    if found is None:
        return None
    store, member = found
    asked: dict[str, Any] = json.loads(request.body)
    return store, str(asked.get(member, ""))


def _refused(name: str, message: str) -> Reply:
    body = json.dumps({"__type": name, "message": message}).encode()
    return Reply([(0.0, replies.whole(400, _JSON, body))])
