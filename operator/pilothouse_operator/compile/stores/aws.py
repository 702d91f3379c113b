"""AWS Secrets Manager and the Systems Manager Parameter Store: one sign-in for both."""

import re
from collections.abc import Mapping

from pilothouse_api.resources import urls
from pilothouse_api.resources.refs import ClusterSecret
from pilothouse_api.resources.secret_stores import AWSStores, StoreAccessKey
from pilothouse_api.resources.secret_values import AWSParameterRef, AWSSecretsManagerRef
from pilothouse_operator.compile import hosts
from pilothouse_operator.compile.identities import AWSIdentity, AWSParameterAddress, AWSSecretAddress
from pilothouse_operator.compile.ways import Entry, OwnUse, Shown, assumed

_STORE = "spec.secretStores.aws"
_ARN = re.compile(r"arn:aws[a-z-]*:(?:secretsmanager|ssm):([a-z0-9-]+):")


def secret(ref: AWSSecretsManagerRef, stores: AWSStores, *, region: str, path: str) -> Entry:
    """`region` as `region_of` finds it; `path` is the field of the reference."""
    address = AWSSecretAddress(
        identity=_identity(stores, region),
        region=region,
        secret_id=ref.secret_id,
        version_stage=ref.version_stage or "",
        version_id=ref.version_id or "",
        endpoint=_url(stores.endpoint),
    )
    return _entry(address, stores, "secretsmanager", path)


def parameter(ref: AWSParameterRef, stores: AWSStores, *, region: str, path: str) -> Entry:
    """As `secret`."""
    address = AWSParameterAddress(
        identity=_identity(stores, region), region=region, name=ref.name, endpoint=_url(stores.endpoint)
    )
    return _entry(address, stores, "ssm", path)


def region_of(ref: AWSSecretsManagerRef | AWSParameterRef, stores: AWSStores, otherwise: str) -> str:
    """The reference's own, its ARN's, that of the stores, or `otherwise` (empty where nobody says)."""
    name = ref.secret_id if isinstance(ref, AWSSecretsManagerRef) else ref.name
    arn = _ARN.match(name)
    return ref.region or (arn[1] if arn is not None else "") or stores.region or otherwise


def _identity(stores: AWSStores, region: str) -> AWSIdentity:
    return AWSIdentity(region=region, roles=assumed(stores.assume_role), sts_endpoint=_url(stores.sts_endpoint))


def _url(url: str | None) -> str:
    return "" if url is None else urls.normalised(url)


def _entry(address: AWSSecretAddress | AWSParameterAddress, stores: AWSStores, service: str, path: str) -> Entry:
    key = stores.auth.access_key if stores.auth is not None else None
    if key is not None:
        return Entry(address=address, values=_values(key), path=f"{_STORE}.auth.accessKey")
    named = path if stores.auth is None else f"{_STORE}.auth.default"
    candidates = (
        (address.endpoint, service, f"{_STORE}.endpoint"),
        (address.identity.sts_endpoint, "sts", f"{_STORE}.stsEndpoint"),
    )
    shown = tuple(Shown(url=url, field=at) for url, owner, at in candidates if url and not hosts.of_aws(url, owner))
    return Entry(address=address, own=OwnUse(field=named, shown=shown))


def _values(key: StoreAccessKey) -> Mapping[str, ClusterSecret]:
    values = {"accessKeyId": key.access_key_id, "secretAccessKey": key.secret_access_key}
    return values if key.session_token is None else {**values, "sessionToken": key.session_token}
