"""The authenticated caller."""

from dataclasses import dataclass

from pilothouse_api.snapshot.identity import KeyHolder


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """One sign-in: compared by identity, so that what is worked out for it can be remembered under the object itself.

    `principal` names it in counters, logs and reports: `serviceaccount:team-a/app`, `user:team-a/alice`, `anonymous`.
    """

    principal: str
    namespace: str
    service_account: str | None = None
    user: str | None = None
    team: str | None = None
    tier: str | None = None


def of_service_account(*, namespace: str, name: str) -> Subject:
    """A ServiceAccount, by its token or by the loopback of its pod."""
    return Subject(principal=f"serviceaccount:{namespace}/{name}", namespace=namespace, service_account=name)


def of_key(holder: KeyHolder) -> Subject:
    """The holder of an API key."""
    return Subject(
        principal=f"user:{holder.namespace}/{holder.user}",
        namespace=holder.namespace,
        user=holder.user,
        team=holder.team,
        tier=holder.tier,
    )


def of_nobody(holder: KeyHolder) -> Subject:
    """Whoever calls without a key where the configuration allows it."""
    return Subject(
        principal="anonymous", namespace=holder.namespace, user=holder.user, team=holder.team, tier=holder.tier
    )
