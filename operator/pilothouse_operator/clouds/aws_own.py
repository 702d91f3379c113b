"""What the operator itself is to AWS: the workload identities of botocore's default chain, in its order.

Left out are the files of ~/.aws, SSO and credential processes, which are a person's. Functions that read a file or ask
an endpoint block. Source: AWS SDKs and Tools reference, "Standardized credential providers".
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from botocore import exceptions
from botocore.httpsession import URLLib3Session
from botocore.utils import ContainerMetadataFetcher, InstanceMetadataFetcher

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.clouds.aws_keys import Keys
from pilothouse_operator.ports import Fault

_ENDPOINT_S = 2

_NO_IDENTITY = (
    "the operator has no AWS identity: give its ServiceAccount a role (EKS Pod Identity association, or the annotation "
    "eks.amazonaws.com/role-arn), or name an access key of your own in the provider"
)


class Origin(enum.Enum):
    """Where a chain of sessions begins; the value is what a message calls it."""

    VALUES = "the access key"
    ENVIRONMENT = "the operator's access key (AWS_ACCESS_KEY_ID)"
    WEB_IDENTITY = "the operator's ServiceAccount token (AWS_WEB_IDENTITY_TOKEN_FILE)"
    CONTAINER = "the operator's container credentials (EKS Pod Identity)"
    INSTANCE = "the role of the operator's node"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebIdentity:
    """A token of an OpenID Connect issuer that a role trusts."""

    role_arn: str
    token: Secret
    session_name: str
    """Empty: whatever the caller likes."""


def origin(environ: Mapping[str, str]) -> Origin:
    """The first way that the environment names. Whether it leads anywhere, asking tells."""
    if environ.get("AWS_ACCESS_KEY_ID"):
        return Origin.ENVIRONMENT
    if environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        return Origin.WEB_IDENTITY
    if environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") or environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        return Origin.CONTAINER
    return Origin.INSTANCE


def environment_keys(environ: Mapping[str, str]) -> Keys:
    """As they stand there now. Raises Fault."""
    secret = environ.get("AWS_SECRET_ACCESS_KEY")
    if not secret:
        raise _refused("the operator has AWS_ACCESS_KEY_ID in its environment, but no AWS_SECRET_ACCESS_KEY")
    token = environ.get("AWS_SESSION_TOKEN")
    ends = environ.get("AWS_CREDENTIAL_EXPIRATION")
    try:
        expires_at = _unix(ends) if ends else None
    except ValueError:
        raise _refused("AWS_CREDENTIAL_EXPIRATION in the operator's environment is no time of ISO 8601") from None
    return Keys(
        access_key_id=environ["AWS_ACCESS_KEY_ID"],
        secret_access_key=Secret(secret),
        session_token=Secret(token) if token else None,
        expires_at=expires_at,
    )


def web_identity(environ: Mapping[str, str]) -> WebIdentity:
    """The token as it is in its file at this moment: the kubelet replaces it. Raises Fault."""
    role_arn = environ.get("AWS_ROLE_ARN")
    if not role_arn:
        raise _refused("the operator has AWS_WEB_IDENTITY_TOKEN_FILE in its environment, but no AWS_ROLE_ARN")
    token = _file(environ, "AWS_WEB_IDENTITY_TOKEN_FILE")
    return WebIdentity(role_arn=role_arn, token=token, session_name=environ.get("AWS_ROLE_SESSION_NAME", ""))


def container_keys(environ: Mapping[str, str]) -> Keys:
    """From the endpoint that EKS Pod Identity or ECS names in the environment. Raises Fault.

    Source: "Container credential provider" in the AWS SDKs and Tools reference; botocore keeps its list of hosts that
    may be asked without TLS.
    """
    session = URLLib3Session(timeout=_ENDPOINT_S)
    try:
        fetcher = ContainerMetadataFetcher(session=session, sleep=lambda _: None)
        fetcher.RETRY_ATTEMPTS = 1  # whoever asks paces
        relative = environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        url = fetcher.full_url(relative) if relative else environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        headers = _authorization(environ)
        host = urlsplit(url).netloc
        try:
            found = fetcher.retrieve_full_uri(url, headers=headers)
        except ValueError:
            raise _refused(
                f"AWS_CONTAINER_CREDENTIALS_FULL_URI in the operator's environment is a host ({host}) that AWS's SDKs "
                "do not ask without TLS"
            ) from None
        except exceptions.BotoCoreError:
            raise _unavailable(
                f"the endpoint of container credentials ({host}) gives none: see whether eks-pod-identity-agent runs "
                "on the operator's node, and whether its ServiceAccount has a pod identity association"
            ) from None
    finally:
        session.close()
    try:
        return _keys(found["AccessKeyId"], found["SecretAccessKey"], found["Token"], found["Expiration"])
    except (KeyError, TypeError, ValueError):
        raise _unavailable(f"the endpoint of container credentials ({host}) answers with something else") from None


def instance_keys(environ: Mapping[str, str]) -> Keys:
    """From the instance metadata service, version 2, unless the environment switches it off. Raises Fault."""
    fetcher = InstanceMetadataFetcher(
        timeout=_ENDPOINT_S,
        num_attempts=1,
        env=dict(environ),
        user_agent="pilothouse",
        config={
            "ec2_metadata_service_endpoint": environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
            "ec2_metadata_v1_disabled": True,
        },
    )
    try:
        found = fetcher.retrieve_iam_role_credentials()
    except (exceptions.BotoCoreError, exceptions.HTTPClientError, ValueError):
        found = {}
    if not found and environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        raise _refused(_NO_IDENTITY)
    if not found:
        raise _unavailable(f"{_NO_IDENTITY}. The instance metadata service does not answer either")
    try:
        return _keys(found["access_key"], found["secret_key"], found["token"], found["expiry_time"])
    except (KeyError, TypeError, ValueError):
        raise _unavailable("the instance metadata service answers with something else than credentials") from None


def _authorization(environ: Mapping[str, str]) -> dict[str, str] | None:
    if environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        token = _file(environ, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    else:
        token = Secret(environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", ""))
    return {"Authorization": token.reveal()} if token else None


def _file(environ: Mapping[str, str], variable: str) -> Secret:
    path = environ[variable]
    try:
        token = Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not a token"
        raise _unavailable(f"the operator cannot read its token at {path} ({variable}): {why}") from None
    if not token or not token.isprintable():
        raise _unavailable(f"the file {path} ({variable}) holds no token")
    return Secret(token)


def _keys(access_key_id: str, secret_access_key: str, token: str, expires: str) -> Keys:
    return Keys(
        access_key_id=access_key_id,
        secret_access_key=Secret(secret_access_key),
        session_token=Secret(token),
        expires_at=_unix(expires),
    )


def _unix(moment: str) -> float:
    parsed = datetime.fromisoformat(moment)
    if parsed.tzinfo is None:
        raise ValueError("a time without a zone")
    return parsed.timestamp()


def _refused(message: str) -> Fault:
    return Fault(message, reason=Reason.SIGN_IN_REFUSED, passing=False)


def _unavailable(message: str) -> Fault:
    return Fault(message, reason=Reason.SIGN_IN_UNAVAILABLE, passing=True)
