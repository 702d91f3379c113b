"""One key that is sent with every request (Azure OpenAI, OpenAI-compatible servers)."""

from collections.abc import Callable

from pilothouse_api.conditions import Problem
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import APIKey, Credential, NoCredential
from pilothouse_operator.compile.world import Reference, SignIn
from pilothouse_operator.ports import FieldPath


class APIKeyIssuer:
    """Hands the key on as it is: no shorter-lived form of it exists."""

    def issue(self, sign_in: SignIn, read: Callable[[Reference, FieldPath], Secret | Problem]) -> Credential | Problem:
        """The key, or what is wrong with its Secret."""
        key = read(sign_in.values["apiKey"], FieldPath(sign_in.path))
        return key if isinstance(key, Problem) else APIKey(key=key)


class NoSignIn:
    """For providers that ask for no credential."""

    def issue(self, sign_in: SignIn, read: Callable[[Reference, FieldPath], Secret | Problem]) -> Credential | Problem:
        """Nothing is read and nothing can go wrong."""
        return NoCredential()
