"""STS: AssumeRole, AssumeRoleWithWebIdentity, GetCallerIdentity. https://docs.aws.amazon.com/STS/latest/APIReference/"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import jwt

from tests.simulators.aws_identity import account as accounts
from tests.simulators.aws_identity import signature
from tests.simulators.aws_identity.account import Account, Holder, Role, Trouble
from tests.simulators.wire import replies
from tests.simulators.wire.replies import Ending, Reply
from tests.simulators.wire.server import Request

_NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"
_XML: Final = ("content-type", "text/xml")
_SESSION_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}")
_POLICY_CHARS: Final = 2_048
_CHAINED_S: Final = 3_600

Parameters = Mapping[str, str]


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.trouble = Trouble(status=status, code=code, message=message)


class StsService:
    def __init__(self, account: Account) -> None:
        self._account = account

    def __call__(self, request: Request) -> Reply:
        parameters = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        action = parameters.get("Action", "")
        self._account.requests.append(action)
        trouble = self._account.troubles.popleft() if self._account.troubles else None
        if trouble is not None:
            return _trouble(trouble)
        try:
            match action:
                case "AssumeRole":
                    result = _session(self._assume(request, parameters))
                case "AssumeRoleWithWebIdentity":
                    result = _session(self._assume_with_web_identity(parameters))
                case "GetCallerIdentity":
                    arn = self._caller(request).arn
                    result = f"<Arn>{arn}</Arn><UserId>SIMULATOR</UserId><Account>{arn.split(':')[4]}</Account>"
                case _:
                    raise Refused(400, "InvalidAction", f"Could not find operation {action} for version 2011-06-15")
        except Refused as refused:
            return _trouble(refused.trouble)
        body = (
            f'<{action}Response xmlns="{_NAMESPACE}"><{action}Result>{result}</{action}Result>'
            f"<ResponseMetadata><RequestId>simulated</RequestId></ResponseMetadata></{action}Response>"
        )
        return Reply([(0.0, replies.whole(200, [_XML], body.encode()))])

    def _assume(self, request: Request, parameters: Parameters) -> Holder:
        caller = self._caller(request)
        role = self._role(parameters, caller.arn, "sts:AssumeRole")
        if caller.denied:
            raise Refused(403, "AccessDenied", accounts.denial(caller.arn, "sts:AssumeRole", role.arn))
        tags = _tags(parameters)
        trusted = caller.arn in role.trusted or (caller.role_arn and caller.role_arn in role.trusted)
        if not trusted or role.external_id != parameters.get("ExternalId", ""):
            raise _denied(caller.arn, "sts:AssumeRole", role.arn)
        if tags and not role.tagging:
            raise _denied(caller.arn, "sts:TagSession", role.arn)
        inherited = {key: value for key, value in caller.tags.items() if key in caller.transitive}
        if set(inherited) & set(tags):
            raise Refused(400, "InvalidParameterValue", "One of the specified transitive tag keys can't be set")
        duration_s = _duration(parameters, role, chained=bool(caller.role_arn))
        session = self._given(role, parameters, duration_s, tags)
        session.tags = inherited | tags
        named = [value for key, value in parameters.items() if key.startswith("TransitiveTagKeys.member.")]
        session.transitive = (*inherited, *named)
        return session

    def _assume_with_web_identity(self, parameters: Parameters) -> Holder:
        token = parameters.get("WebIdentityToken", "")
        try:
            subject = accounts.subject_of(token)
        except jwt.ExpiredSignatureError:
            raise Refused(400, "ExpiredTokenException", f"Token expired: {token[:16]}") from None
        except jwt.InvalidTokenError:
            raise Refused(
                400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for this token"
            ) from None
        role = self._role(parameters, subject, "sts:AssumeRoleWithWebIdentity")
        if role.subject != subject:
            raise Refused(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        return self._given(role, parameters, _duration(parameters, role, chained=False), {})

    def _caller(self, request: Request) -> Holder:
        claimed = self._account.holders.get(signature.key_id(request))
        if claimed is None or claimed.revoked:
            raise Refused(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
        caller = signature.holder(request, self._account, service="sts")
        if caller is None:
            raise Refused(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        if caller.expires_at is not None and time.time() >= caller.expires_at:
            raise Refused(403, "ExpiredToken", "The security token included in the request is expired")
        return caller

    def _role(self, parameters: Parameters, caller: str, action: str) -> Role:
        arn = parameters.get("RoleArn", "")
        if not re.fullmatch(r"arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]+", arn):
            raise Refused(400, "ValidationError", f"{arn} is invalid")
        if not _SESSION_NAME.fullmatch(parameters.get("RoleSessionName", "")):
            raise Refused(400, "ValidationError", "roleSessionName failed to satisfy constraint")
        role = self._account.roles.get(arn)
        if role is None:
            raise _denied(caller, action, arn)
        return role

    def _given(self, role: Role, parameters: Parameters, duration_s: int, tags: Mapping[str, str]) -> Holder:
        policy = parameters.get("Policy", "")
        if len(policy) > _POLICY_CHARS:
            raise Refused(400, "ValidationError", "policy must have length less than or equal to 2048")
        if len(policy) + sum(len(key) + len(value) for key, value in tags.items()) > self._account.packed_chars:
            raise Refused(400, "PackedPolicyTooLarge", "Packed size of session tags and policies exceeds the limit")
        return self._account.session(role.arn, name=parameters["RoleSessionName"], duration_s=duration_s, policy=policy)


def _duration(parameters: Parameters, role: Role, *, chained: bool) -> int:
    asked = int(parameters.get("DurationSeconds", "3600"))
    if asked < 900:
        raise Refused(400, "ValidationError", "durationSeconds must be greater than or equal to 900")
    if chained and asked > _CHAINED_S:
        raise Refused(
            400,
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        )
    if asked > role.longest_s:
        raise Refused(
            400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    return asked


def _tags(parameters: Parameters) -> dict[str, str]:
    keys = [name for name in parameters if re.fullmatch(r"Tags\.member\.\d+\.Key", name)]
    return {parameters[name]: parameters[name.removesuffix("Key") + "Value"] for name in keys}


def _denied(caller: str, action: str, role: str) -> Refused:
    message = f"User: {caller} is not authorized to perform: {action} on resource: {role}"
    return Refused(403, "AccessDenied", message)


def _session(session: Holder) -> str:
    assert session.expires_at is not None
    expiration = datetime.fromtimestamp(session.expires_at, UTC).isoformat(timespec="milliseconds")
    return (
        f"<AssumedRoleUser><Arn>{session.arn}</Arn><AssumedRoleId>AROASIMULATOR:{session.session_name}</AssumedRoleId>"
        f"</AssumedRoleUser><Credentials><AccessKeyId>{session.access_key_id}</AccessKeyId><SecretAccessKey>"
        f"{session.secret_access_key}</SecretAccessKey><SessionToken>{session.token}</SessionToken>"
        f"<Expiration>{expiration}</Expiration></Credentials>"
    )


def _trouble(trouble: Trouble) -> Reply:
    if not trouble.status:
        return Reply([], ending=Ending.HANG)
    if trouble.page:
        html = [("content-type", "text/html")]
        return Reply([(0.0, replies.whole(trouble.status, html, trouble.page.encode()))])
    kind = "Receiver" if trouble.status >= 500 else "Sender"
    body = (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>{kind}</Type><Code>{trouble.code}</Code>'
        f"<Message>{escape(trouble.message)}</Message></Error><RequestId>simulated</RequestId></ErrorResponse>"
    )
    after = [("retry-after", trouble.retry_after)] if trouble.retry_after else []
    return Reply([(0.0, replies.whole(trouble.status, [_XML, *after], body.encode()))])
