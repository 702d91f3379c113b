"""Entra access tokens, for Azure OpenAI."""

from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import BearerToken
from pilothouse_operator.clouds.entra import Entra
from pilothouse_operator.compile.identities import EntraAccess
from pilothouse_operator.ports import Application, Issued


class EntraTokens:
    """A CredentialService for grants of type EntraAccess."""

    def __init__(self, *, entra: Entra) -> None:
        self._entra = entra

    async def issue(self, application: Application) -> Issued:
        """A token that was not handed out before, by us: endpoints of managed identities have a cache of their own.

        Raises Fault. Answers within `entra.PATIENCE_S`, if no more than `entra.AT_ONCE` are asked for at once.
        """
        grant = application.grant
        if not isinstance(grant, EntraAccess):
            raise TypeError(f"no grant of Entra: {type(grant).__name__}")
        # A credential object hands a token out again until some minutes before its end: each issue takes a new one.
        async with await self._entra.credential(grant.identity, application.values) as credential:
            token = await credential.get_token_info(grant.scope)
        issued = BearerToken(token=Secret(token.token), expires_at=token.expires_on)
        return Issued(credential=issued, expires_at=float(token.expires_on))
