"""AWS access keys, long-lived or temporary.

Forms: IAM API reference, AccessKey data type; "AKIA" and "ASIA" prefixes: IAM user guide, "IAM identifiers".
"""

import re
from collections.abc import Callable

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, Credential
from pilothouse_operator.compile.world import Reference, SignIn
from pilothouse_operator.credentials.reading import described
from pilothouse_operator.ports import FieldPath

_KEY_ID = re.compile(r"[A-Za-z0-9_]{16,128}")
_TEMPORARY = "ASIA"


class AccessKeyIssuer:
    """Joins key id, secret and session token, and refuses what AWS would refuse with a less helpful answer."""

    def issue(self, sign_in: SignIn, read: Callable[[Reference, FieldPath], Secret | Problem]) -> Credential | Problem:
        """The key, or the first thing that is wrong with it."""
        found: dict[str, Secret] = {}
        for name, reference in sign_in.values.items():
            value = read(reference, FieldPath(f"{sign_in.path}.{name}"))
            if isinstance(value, Problem):
                return value
            found[name] = value
        token = found.get("sessionToken")
        key_id = found["accessKeyId"].reveal()
        which = described(sign_in.values["accessKeyId"])
        if _KEY_ID.fullmatch(key_id) is None:
            return Problem(
                reason=Reason.SECRET_MALFORMED,
                field=f"{sign_in.path}.accessKeyId",
                message=f"{which}, is no AWS access key id: that has 16 to 128 letters and digits. "
                "Has it been swapped with the secret access key?",
            )
        if key_id.startswith(_TEMPORARY) and token is None:
            return Problem(
                reason=Reason.SECRET_MALFORMED,
                field=f"{sign_in.path}.sessionToken",
                message=f"{which}, holds a temporary access key (ASIA…), which AWS takes only with its session token: "
                f"set {sign_in.path}.sessionToken.",
            )
        return AccessKey(access_key_id=key_id, secret_access_key=found["secretAccessKey"], session_token=token)
