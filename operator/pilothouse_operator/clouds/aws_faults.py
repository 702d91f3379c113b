"""What a call that AWS refuses means to whoever reads a condition: which line of which policy to look at. Pure."""

from pilothouse_api.conditions import Reason
from pilothouse_operator.clouds.aws_calls import CallFailed, Trouble
from pilothouse_operator.clouds.aws_own import Origin
from pilothouse_operator.compile.identities import AssumedRole
from pilothouse_operator.ports import Fault


class PolicyTooLarge(Fault):
    """Session policy and session tags together are more than a session holds, packed: a shorter policy may fit."""


def assumed(failed: CallFailed, role: AssumedRole, *, index: int, who: str) -> Fault:
    """Of AssumeRole on `role`, the `index`-th link, asked for with the keys of `who`."""
    field = f"roles[{index}].roleArn"
    if failed.code == "PackedPolicyTooLarge":
        return PolicyTooLarge(
            f"the session tags for {role.role_arn}, together with the session policy, are more than AWS packs into a "
            "session: use fewer or shorter ones",
            reason=Reason.SIGN_IN_REFUSED,
            passing=False,
            field=f"roles[{index}].sessionTags",
        )
    common = _common(failed, "STS", field=field)
    if common is not None:
        return common
    if failed.trouble is Trouble.KEYS_REFUSED:
        return _keys_refused(failed, who, field="" if index == 0 else f"roles[{index - 1}].roleArn")
    if failed.trouble is Trouble.FORBIDDEN:
        return _refused(_trust(failed, role, who), field=field)
    if failed.says("role chaining"):
        return _refused(
            f"STS gives no session of {role.role_arn} that is longer than 1 h: AWS allows no more", field=field
        )
    if failed.says("DurationSeconds"):
        return _refused(_duration(role.role_arn), field=field)
    return _refused(
        f"STS does not take the request for {role.role_arn} as it stands ({failed.code}): compare role ARN, external "
        "id and session tags with the forms that AWS allows",
        field=field,
    )


def web_identity(failed: CallFailed, role_arn: str) -> Fault:
    """Of AssumeRoleWithWebIdentity with the operator's own token."""
    if failed.code == "PackedPolicyTooLarge":
        return PolicyTooLarge(
            f"the session policy for {role_arn} is more than AWS packs into a session",
            reason=Reason.SIGN_IN_REFUSED,
            passing=False,
        )
    common = _common(failed, "STS")
    if common is not None:
        return common
    if failed.code == "ExpiredTokenException":
        text = f"{Origin.WEB_IDENTITY.value} has ended: the kubelet has not replaced the file"
        return Fault(text, reason=Reason.SIGN_IN_REFUSED, passing=True)
    if failed.code == "InvalidIdentityToken":
        return _refused(
            f"STS does not take {Origin.WEB_IDENTITY.value} for {role_arn}: the role's account needs an IAM OpenID "
            "Connect provider of the cluster's issuer URL, with audience sts.amazonaws.com"
        )
    if failed.trouble is Trouble.FORBIDDEN or failed.code == "IDPRejectedClaim":
        return _refused(
            f"STS does not let {Origin.WEB_IDENTITY.value} assume {role_arn}: the role's trust policy must allow "
            "sts:AssumeRoleWithWebIdentity to the cluster's OpenID Connect provider, with the condition <issuer>:sub = "
            "system:serviceaccount:<the operator's namespace>:<its ServiceAccount>"
        )
    if failed.says("DurationSeconds"):
        return _refused(_duration(role_arn))
    return _refused(f"STS does not take the request for {role_arn} as it stands ({failed.code})")


_KMS = ("kms:Decrypt", "access to KMS")

# How Secrets Manager says that it is the version which it has not.
_VERSION = ("for staging label", "for VersionId", "not associated to the provided VersionId")


def stored(failed: CallFailed, *, what: str, action: str, who: str) -> Fault:
    """Of reading `what` (`secret x in eu-central-1`), which takes the permission `action`."""
    if failed.trouble in {Trouble.UNREACHABLE, Trouble.FAILING, Trouble.THROTTLED}:
        return Fault(
            f"{what} cannot be read at the moment: {_passing(failed)}",
            reason=Reason.STORE_UNAVAILABLE,
            passing=True,
            throttled=failed.trouble is Trouble.THROTTLED,
            retry_after_s=failed.retry_after_s,
        )
    if failed.trouble is Trouble.CLOCK:
        return _refused(_clock(failed.host))
    if failed.trouble is Trouble.KEYS_REFUSED:
        return _keys_refused(failed, who)
    version = failed.code == "ParameterVersionNotFound" or any(map(failed.says, _VERSION))
    if version or failed.code in {"ResourceNotFoundException", "ParameterNotFound"}:
        text = f"{what} is there, but not in the version that is asked for" if version else f"there is no {what}"
        return _fault(f"{text}: correct the name, the region or the version", Reason.SECRET_NOT_FOUND)
    if failed.code == "InvalidRequestException" and (failed.says("for deletion") or failed.says("marked deleted")):
        return _fault(f"{what} is scheduled for deletion: restore it, or name another", Reason.SECRET_NOT_FOUND)
    if failed.code in {"DecryptionFailure", "InvalidKeyId"} or any(map(failed.says, _KMS)):
        return _fault(
            f"{what} cannot be decrypted: {failed.principal or who} needs kms:Decrypt on its KMS key, by policy and by "
            "the key's own policy, and the key must be enabled",
            Reason.SECRET_FORBIDDEN,
        )
    if failed.trouble is Trouble.FORBIDDEN:
        return _fault(
            f"{failed.principal or who} may not read {what}: it needs {action} on it",
            Reason.SECRET_FORBIDDEN,
        )
    return _fault(
        f"AWS does not take the request for {what} as it stands ({failed.code}): compare name, version and region with "
        "the forms that it allows",
        Reason.SECRET_NOT_FOUND,
    )


def listed(failed: CallFailed, *, action: str, who: str, what: str = "models") -> Fault:
    """Of listing what an account has (its `what`), which takes the permission `action`."""
    if failed.trouble in {Trouble.UNREACHABLE, Trouble.FAILING, Trouble.THROTTLED}:
        return Fault(
            f"the account's {what} cannot be listed at the moment: {_passing(failed)}",
            reason=Reason.DISCOVERY_UNAVAILABLE,
            passing=True,
            throttled=failed.trouble is Trouble.THROTTLED,
            retry_after_s=failed.retry_after_s,
        )
    if failed.trouble is Trouble.CLOCK:
        return _refused(_clock(failed.host))
    if failed.trouble is Trouble.KEYS_REFUSED:
        return _keys_refused(failed, who)
    if failed.trouble is Trouble.FORBIDDEN:
        return _fault(
            f"{failed.principal or who} may not list the account's {what}: it needs {action}", Reason.DISCOVERY_REFUSED
        )
    return _fault(
        f"AWS does not take {action} as it is asked ({failed.code}): is Bedrock offered in this region?",
        Reason.DISCOVERY_REFUSED,
    )


def _common(failed: CallFailed, service: str, *, field: str = "") -> Fault | None:
    """What is nobody's mistake in the manifest."""
    if failed.trouble is Trouble.CLOCK:
        return _refused(_clock(failed.host))
    if failed.code == "RegionDisabledException":
        return _refused(
            f"STS is not active in this region ({failed.host}) for the role's account: activate it there, or choose "
            "another region",
            field=field,
        )
    if failed.trouble not in {Trouble.UNREACHABLE, Trouble.FAILING, Trouble.THROTTLED}:
        return None
    return Fault(
        f"{service} gives no session at the moment: {_passing(failed)}",
        reason=Reason.SIGN_IN_UNAVAILABLE,
        passing=True,
        throttled=failed.trouble is Trouble.THROTTLED,
        retry_after_s=failed.retry_after_s,
    )


def _passing(failed: CallFailed) -> str:
    if failed.trouble is Trouble.UNREACHABLE:
        return f"{failed.host} does not answer. If that lasts, see whether the operator's pods may connect to it"
    if failed.trouble is Trouble.THROTTLED:
        return f"{failed.host} asks to slow down ({failed.code})"
    return f"{failed.host} fails by itself ({failed.code})"


def _trust(failed: CallFailed, role: AssumedRole, who: str) -> str:
    principal = failed.principal or who
    actions = "sts:AssumeRole and sts:TagSession" if role.session_tags else "sts:AssumeRole"
    external = ", with the sts:ExternalId of this provider in its condition" if role.external_id else ""
    return (
        f"STS does not let {principal} assume {role.role_arn}: the role's trust policy must allow {actions} to that "
        f"principal{external}; where the principal is of another account, a policy of its own must allow "
        f"{actions} on the role too"
    )


def _keys_refused(failed: CallFailed, who: str, *, field: str = "") -> Fault:
    return _refused(
        f"AWS does not take the keys of {who} ({failed.code}): they have been deleted or disabled, have ended, or do "
        "not belong together",
        field=field,
    )


def _duration(role_arn: str) -> str:
    return (
        f"{role_arn} allows no session that long: raise its maximum session duration in IAM, or ask for a shorter one"
    )


def _clock(host: str) -> str:
    return f"{host} refuses the operator's signature because of its time: set the clock of the operator's node"


def _refused(message: str, *, field: str = "") -> Fault:
    return Fault(message, reason=Reason.SIGN_IN_REFUSED, passing=False, field=field)


def _fault(message: str, reason: Reason) -> Fault:
    return Fault(message, reason=reason, passing=False)
