"""From an identity to AWS keys: where the chain begins, then one role after the other.

What a link has given serves those that share it until two thirds of its life have passed, and is asked for once however
many wait. The last link of a session that is handed out is asked for anew each time.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.clouds import aws_faults, aws_own
from pilothouse_operator.clouds.aws_calls import AWSCalls, CallFailed, Endpoint, Service
from pilothouse_operator.clouds.aws_keys import Keys
from pilothouse_operator.clouds.aws_own import Origin
from pilothouse_operator.compile.identities import AssumedRole, AWSIdentity
from pilothouse_operator.ports import Clock, Fault

_Read = TypeVar("_Read")

LINK_S = 3_600
"""The longest session that a session of a role gives: "role chaining" in the IAM user guide."""

_SHORTEST_S = 900
_SERVES = 2 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the last link of a chain is asked for. `policy`: a session policy (JSON), or none."""

    duration_s: int = LINK_S
    policy: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """A link: the first, or what so many roles have given."""

    region: str
    sts_endpoint: str
    start: Keys | None
    roles: tuple[AssumedRole, ...]


@dataclass(frozen=True, slots=True)
class _Kept:
    keys: Keys
    until: float


class AWSIdentities:
    """Signs in for the stores and for the sessions that proxies get. One for the whole process."""

    def __init__(self, *, calls: AWSCalls, clock: Clock, environ: Mapping[str, str]) -> None:
        self._calls = calls
        self._clock = clock
        self._environ = environ
        self._kept: dict[_Place, _Kept] = {}
        self._asking: dict[_Place, asyncio.Task[Keys]] = {}

    def origin(self, values: Mapping[str, Secret]) -> Origin:
        """Where a chain of these values begins."""
        return Origin.VALUES if "accessKeyId" in values else aws_own.origin(self._environ)

    def account(self, identity: AWSIdentity, values: Mapping[str, Secret]) -> str:
        """The account that a session of this identity is in, or empty: only a role's ARN tells."""
        own = self._environ.get("AWS_ROLE_ARN", "") if self.origin(values) is Origin.WEB_IDENTITY else ""
        parts = (identity.roles[-1].role_arn if identity.roles else own).split(":")
        return parts[4] if len(parts) > 5 else ""

    def chained(self, identity: AWSIdentity, values: Mapping[str, Secret]) -> bool:
        """Whether a session of this identity is one that another session has given: it ends after LINK_S at most."""
        if len(identity.roles) != 1:
            return bool(identity.roles)
        origin = self.origin(values)
        if origin is Origin.VALUES:
            return "sessionToken" in values
        return origin is not Origin.ENVIRONMENT or bool(self._environ.get("AWS_SESSION_TOKEN"))

    async def session(self, identity: AWSIdentity, values: Mapping[str, Secret], wanted: Wanted) -> Keys:
        """For somebody else's: asked for now. A chain that begins with keys and has no role gives these very keys.

        Raises Fault; PolicyTooLarge if another policy might do.
        """
        return await self._asked(_place(identity, values), wanted)

    async def call(
        self,
        identity: AWSIdentity,
        values: Mapping[str, Secret],
        endpoint: Endpoint,
        operation: str,
        parameters: Mapping[str, Any],
        *,
        fault: Callable[[CallFailed, str], Fault],
    ) -> Mapping[str, Any]:
        """A call as this identity. Raises Fault: that of signing in, or what `fault` makes of the call's own.

        `fault` also gets what a message calls the identity.
        """
        place = _place(identity, values)
        kept = place in self._kept
        keys = await self._link(place)
        try:
            return await self._calls.call(endpoint, keys, operation, parameters)
        except CallFailed as failed:
            if not (kept and failed.stale):
                raise fault(failed, self._who(place)) from None
        keys = await self._again(place, keys)
        try:
            return await self._calls.call(endpoint, keys, operation, parameters)
        except CallFailed as failed:
            raise fault(failed, self._who(place)) from None

    def _who(self, place: _Place) -> str:
        if place.roles:
            return place.roles[-1].role_arn
        return (Origin.VALUES if place.start else aws_own.origin(self._environ)).value

    async def _again(self, place: _Place, refused: Keys) -> Keys:
        """In place of keys that have been refused: sessions can be revoked ahead of their end."""
        kept = self._kept.get(place)
        if kept is not None and kept.keys == refused:
            del self._kept[place]
        return await self._link(place)

    async def _link(self, place: _Place) -> Keys:
        kept = self._kept.get(place)
        if kept is not None and self._clock.wall() < kept.until:
            return kept.keys
        asking = self._asking.get(place)
        if asking is None:
            asking = asyncio.get_running_loop().create_task(self._renewed(place))
            self._asking[place] = asking
            asking.add_done_callback(partial(self._answered, place))
        return await asyncio.shield(asking)

    def _answered(self, place: _Place, task: asyncio.Task[Keys]) -> None:
        self._asking.pop(place, None)
        if not task.cancelled():
            task.exception()  # looked at: whoever waited may have gone

    async def _renewed(self, place: _Place) -> Keys:
        keys = await self._asked(place, Wanted())
        if keys.expires_at is not None:
            now = self._clock.wall()
            self._kept = {other: kept for other, kept in self._kept.items() if now < kept.until}
            self._kept[place] = _Kept(keys, now + (keys.expires_at - now) * _SERVES)
        return keys

    async def _asked(self, place: _Place, wanted: Wanted) -> Keys:
        if not place.roles:
            return await self._first(place, wanted)
        before = _Place(place.region, place.sts_endpoint, place.start, place.roles[:-1])
        kept = before in self._kept
        source = await self._link(before)
        try:
            return await self._assumed(place, source, wanted)
        except CallFailed as failed:
            if not (kept and failed.stale):
                raise self._fault(place, before, failed) from None
        source = await self._again(before, source)
        try:
            return await self._assumed(place, source, wanted)
        except CallFailed as failed:
            raise self._fault(place, before, failed) from None

    def _fault(self, place: _Place, before: _Place, failed: CallFailed) -> Fault:
        return aws_faults.assumed(failed, place.roles[-1], index=len(before.roles), who=self._who(before))

    async def _assumed(self, place: _Place, source: Keys, wanted: Wanted) -> Keys:
        role = place.roles[-1]
        longest = wanted.duration_s if source.session_token is None else min(wanted.duration_s, LINK_S)
        parameters: dict[str, Any] = {
            "RoleArn": role.role_arn,
            "RoleSessionName": _session_name(place),
            "DurationSeconds": max(longest, _SHORTEST_S),
        }
        if role.external_id:
            parameters["ExternalId"] = role.external_id
        if role.session_tags:
            parameters["Tags"] = [{"Key": key, "Value": value} for key, value in role.session_tags]
        if role.transitive_tags:
            parameters["TransitiveTagKeys"] = list(role.transitive_tags)
        if wanted.policy:
            parameters["Policy"] = wanted.policy
        return _given(await self._calls.call(_sts(place), source, "assume_role", parameters))

    async def _first(self, place: _Place, wanted: Wanted) -> Keys:
        if place.start is not None:
            return place.start
        match aws_own.origin(self._environ):
            case Origin.ENVIRONMENT:
                return aws_own.environment_keys(self._environ)
            case Origin.WEB_IDENTITY:
                return await self._by_web_identity(place, wanted)
            case Origin.CONTAINER:
                return await self._read(aws_own.container_keys)
            case _:
                return await self._read(aws_own.instance_keys)

    async def _read(self, read: Callable[[Mapping[str, str]], Keys]) -> Keys:
        return await _in_time(self._calls.run(partial(read, self._environ)))

    async def _by_web_identity(self, place: _Place, wanted: Wanted) -> Keys:
        own = await _in_time(self._calls.run(partial(aws_own.web_identity, self._environ)))
        parameters = {
            "RoleArn": own.role_arn,
            "RoleSessionName": own.session_name or _session_name(place),
            "WebIdentityToken": own.token.reveal(),
            "DurationSeconds": max(wanted.duration_s, _SHORTEST_S),
        }
        if wanted.policy:
            parameters["Policy"] = wanted.policy
        try:
            return _given(await self._calls.call(_sts(place), None, "assume_role_with_web_identity", parameters))
        except CallFailed as failed:
            raise aws_faults.web_identity(failed, own.role_arn) from None


async def _in_time(reading: Awaitable[_Read]) -> _Read:
    try:
        return await reading
    except TimeoutError:
        raise Fault(
            "what the operator itself is to AWS could not be read within some seconds",
            reason=Reason.SIGN_IN_UNAVAILABLE,
            passing=True,
        ) from None


def _place(identity: AWSIdentity, values: Mapping[str, Secret]) -> _Place:
    keys = None
    if "accessKeyId" in values:
        keys = Keys(
            access_key_id=values["accessKeyId"].reveal(),
            secret_access_key=values["secretAccessKey"],
            session_token=values.get("sessionToken"),
        )
    return _Place(identity.region, identity.sts_endpoint, keys, identity.roles)


def _sts(place: _Place) -> Endpoint:
    return Endpoint(service=Service.STS, region=place.region, url=place.sts_endpoint)


def _session_name(place: _Place) -> str:
    """Stands in CloudTrail: the same for the same chain, and of no provider, because chains are shared."""
    chain = "\n".join([place.region, *(role.role_arn for role in place.roles)])
    return f"pilothouse-{hashlib.sha256(chain.encode()).hexdigest()[:16]}"


def _given(answer: Mapping[str, Any]) -> Keys:
    found = answer["Credentials"]
    return Keys(
        access_key_id=found["AccessKeyId"],
        secret_access_key=Secret(found["SecretAccessKey"]),
        session_token=Secret(found["SessionToken"]),
        expires_at=found["Expiration"].timestamp(),
    )
