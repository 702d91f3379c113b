"""Sessions of STS for proxies, no wider than their provider's models, and short-term API keys made of them."""

from collections.abc import Iterator

from pilothouse_api.snapshot.credentials import AccessKey, BearerToken
from pilothouse_operator.clouds import aws, aws_bedrock_keys, aws_session_policy
from pilothouse_operator.clouds.aws import AWSIdentities, Wanted
from pilothouse_operator.clouds.aws_faults import PolicyTooLarge
from pilothouse_operator.clouds.aws_keys import Keys
from pilothouse_operator.clouds.aws_own import Origin
from pilothouse_operator.clouds.aws_session_policy import Policy
from pilothouse_operator.compile.identities import AWSSession, BedrockForm
from pilothouse_operator.ports import Application, Clock, Issued

# Keys that are not known to end may still be replaced where they are kept: they are read again after this time.
_READ_AGAIN_S = 3_600


class AWSSessions:
    """A `ports.CredentialService`, for grants of AWSSession."""

    def __init__(self, *, identities: AWSIdentities, clock: Clock) -> None:
        self._identities = identities
        self._clock = clock

    async def issue(self, application: Application) -> Issued:
        """A session (AccessKey) or an API key (BearerToken). Raises Fault."""
        grant = application.grant
        if not isinstance(grant, AWSSession):
            raise TypeError(f"a {type(grant).__name__} is nothing that AWS issues")
        *narrower, last = self._policies(application, grant)
        for policy in narrower:
            try:
                return await self._issued(application, grant, policy)
            except PolicyTooLarge:
                continue
        return await self._issued(application, grant, last)

    def _policies(self, application: Application, grant: AWSSession) -> tuple[Policy | None, ...]:
        if grant.models is None or not self._narrowable(application, grant):
            return (None,)
        account = self._identities.account(grant.identity, application.values)
        return aws_session_policy.policies(
            grant.models, region=grant.identity.region, account=account, form=grant.form, hosts=grant.hosts
        )

    def _narrowable(self, application: Application, grant: AWSSession) -> bool:
        """Whether there is a call of STS that a session policy can go with."""
        return bool(grant.identity.roles) or self._identities.origin(application.values) is Origin.WEB_IDENTITY

    def _notes(self, application: Application, grant: AWSSession) -> Iterator[str]:
        if grant.models is not None and not self._narrowable(application, grant):
            origin = self._identities.origin(application.values)
            yield (
                f"Proxies get what {origin.value} gives, with all that it may do: only a session of a role can be "
                "narrowed. Name a role to assume."
            )
        if grant.duration_s > aws.LINK_S and self._identities.chained(grant.identity, application.values):
            yield "Sessions end after 1 h: AWS gives no longer ones where one role assumes another."

    async def _issued(self, application: Application, grant: AWSSession, policy: Policy | None) -> Issued:
        wanted = Wanted(duration_s=grant.duration_s, policy="" if policy is None else policy.text)
        keys = await self._identities.session(grant.identity, application.values, wanted)
        notes = [policy.note if policy else "", *self._notes(application, grant)]
        if keys.expires_at is None and grant.form is BedrockForm.SESSION:
            notes.append("These keys are not known to end, and are read again every hour.")
        note = " ".join(note for note in notes if note)
        now = self._clock.wall()
        if grant.form is BedrockForm.API_KEY:
            return _api_key(keys, grant, now=now, note=note)
        return _session(keys, now=now, note=note, whole=policy is None and not grant.identity.roles)


def _session(keys: Keys, *, now: float, note: str, whole: bool) -> Issued:
    credential = AccessKey(
        access_key_id=keys.access_key_id,
        secret_access_key=keys.secret_access_key,
        session_token=keys.session_token,
        expires_at=None if keys.expires_at is None else int(keys.expires_at),
    )
    expires_at = now + _READ_AGAIN_S if keys.expires_at is None else keys.expires_at
    return Issued(credential=credential, expires_at=expires_at, note=note, whole=whole)


def _api_key(keys: Keys, grant: AWSSession, *, now: float, note: str) -> Issued:
    ends = now + min(grant.duration_s, aws_bedrock_keys.LONGEST_S)
    if keys.expires_at is not None:
        ends = min(ends, keys.expires_at)
    life_s = max(1, int(ends - now))
    token = aws_bedrock_keys.short_term_key(keys, region=grant.identity.region, life_s=life_s)
    expires_at = int(now) + life_s
    return Issued(credential=BearerToken(token=token, expires_at=expires_at), expires_at=expires_at, note=note)
