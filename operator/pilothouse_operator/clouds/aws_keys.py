"""AWS signature credentials in the operator's own hands."""

import logging
from dataclasses import dataclass

from pilothouse_api.secret import Secret

# Whoever has keys gives them to botocore, which at DEBUG logs whole requests and answers, with every secret in them.
logging.getLogger("botocore").setLevel(logging.INFO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What a request to AWS is signed with; `session_token` with temporary ones."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None
    expires_at: float | None = None
    """Unix seconds; None: they are not known to end."""
