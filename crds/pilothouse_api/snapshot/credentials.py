"""What a proxy signs in with.

Keys that do not end by themselves are in the snapshot, the only part of it that is secret. Those that end travel
beside it, as renewals: their coming and going changes no snapshot.
"""

import msgspec

from pilothouse_api.secret import Secret


class AccessKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="accessKey"):
    """AWS signature credentials; `session_token` for temporary ones."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None
    expires_at: int | None = None
    """Unix seconds; None: it is not known to end."""


class BearerToken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="bearerToken"):
    """A short-lived token (Entra access token, short-term Bedrock key), sent as `Authorization: Bearer`."""

    token: Secret
    expires_at: int | None = None
    """Unix seconds."""


class APIKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="apiKey"):
    """One key, sent as the provider wants it (`api-key`, `Authorization: Bearer`)."""

    key: Secret


class NoCredential(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="none"):
    """The provider asks for none (a model server inside the cluster)."""


Credential = AccessKey | APIKey | BearerToken | NoCredential


class Basic(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="basic"):
    """A user and password (RFC 7617), shown to a forward proxy alone."""

    username: Secret
    password: Secret


ProxyCredential = Basic
