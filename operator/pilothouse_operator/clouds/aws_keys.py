"""AWS signature credentials in the operator's own hands."""

from dataclasses import dataclass

from pilothouse_api.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What a request to AWS is signed with; `session_token` with temporary ones."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None
    expires_at: float | None = None
    """Unix seconds; None: they are not known to end."""
