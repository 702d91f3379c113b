"""Values of a provider → references: keys of Secrets of its own namespace, or what stores outside the cluster hold."""

from dataclasses import dataclass

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.resources.durations import milliseconds
from pilothouse_api.resources.provider import LLMProviderSpec
from pilothouse_api.resources.refs import SecretKeyRef
from pilothouse_api.resources.secret_places import values
from pilothouse_api.resources.secret_stores import AWSStores, GCPStores, KeyVaultStores, SecretStoresSpec
from pilothouse_api.resources.secret_values import SecretValue
from pilothouse_operator.compile import certificates
from pilothouse_operator.compile.stores import aws, google, key_vault, vault
from pilothouse_operator.compile.ways import Entry, OwnUse
from pilothouse_operator.compile.world import Reference, SecretRef, StoredRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A reference, and what of the operator's own identity is used to follow it."""

    reference: Reference
    own: OwnUse | None = None


def fault(spec: LLMProviderSpec) -> Problem | None:
    """What keeps a value from being found at all, whatever the stores hold: the provider is left out for it."""
    stores = spec.secret_stores or SecretStoresSpec()
    for path, value in values(spec):
        for member, ref in (("awsSecretsManager", value.aws_secrets_manager), ("awsParameter", value.aws_parameter)):
            if ref is not None and not aws.region_of(ref, stores.aws or AWSStores(), _region(spec)):
                return Problem(
                    reason=Reason.INVALID,
                    message="is required: neither an ARN nor spec.secretStores.aws.region tells the region",
                    field=f"{path}.{member}.region",
                )
    if stores.vault is not None and stores.vault.ca_bundle is not None:
        bundle = certificates.bundle(stores.vault.ca_bundle, vault.CA_BUNDLE)
        return bundle if isinstance(bundle, Problem) else None
    return None


def follow(value: SecretValue, path: str, *, spec: LLMProviderSpec, namespace: str) -> Found:
    """The reference of the value at `path`. `fault` has found nothing in the spec."""
    if value.secret_key_ref is not None:
        return Found(reference=_secret(value.secret_key_ref, namespace))
    entry, key, interval = _entry(value, path, spec)
    reference = StoredRef(
        address=entry.address,
        key=key,
        refresh_s=milliseconds(interval) // 1_000,
        sign_in=tuple((name, _secret(kept.secret_key_ref, namespace)) for name, kept in entry.values.items()),
        sign_in_path=entry.path,
    )
    return Found(reference=reference, own=entry.own)


def _entry(value: SecretValue, path: str, spec: LLMProviderSpec) -> tuple[Entry, str, str]:
    """With the member of the secret, and how often it is looked at."""
    stores = spec.secret_stores or SecretStoresSpec()
    of_aws = stores.aws or AWSStores()
    if (secret := value.aws_secrets_manager) is not None:
        region = aws.region_of(secret, of_aws, _region(spec))
        entry = aws.secret(secret, of_aws, region=region, path=f"{path}.awsSecretsManager")
        return entry, secret.json_key or "", secret.refresh_interval
    if (parameter := value.aws_parameter) is not None:
        region = aws.region_of(parameter, of_aws, _region(spec))
        entry = aws.parameter(parameter, of_aws, region=region, path=f"{path}.awsParameter")
        return entry, parameter.json_key or "", parameter.refresh_interval
    if (kept := value.azure_key_vault) is not None:
        entry = key_vault.secret(kept, stores.azure_key_vault or KeyVaultStores(), path=f"{path}.azureKeyVault")
        return entry, kept.json_key or "", kept.refresh_interval
    if (version := value.gcp_secret_manager) is not None:
        entry = google.secret(version, stores.gcp or GCPStores(), path=f"{path}.gcpSecretManager")
        return entry, version.json_key or "", version.refresh_interval
    if value.vault is not None and stores.vault is not None:
        return vault.secret(value.vault, stores.vault), value.vault.key, value.vault.refresh_interval
    raise AssertionError("the rules of SecretValue and LLMProviderSpec let no such value through")


def _secret(ref: SecretKeyRef, namespace: str) -> SecretRef:
    return SecretRef(namespace=namespace, name=ref.name, key=ref.key)


def _region(spec: LLMProviderSpec) -> str:
    return spec.bedrock.region if spec.bedrock is not None else ""
