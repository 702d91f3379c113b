"""A certificate that somebody else, such as cert-manager, keeps in a Secret beside ours. It is read, never written."""

import logging

from pilothouse_api.secret import Secret
from pilothouse_operator.distribution import certificates, keys
from pilothouse_operator.distribution.certificates import CertificateFault, KeyPair
from pilothouse_operator.distribution.succession import Issued
from pilothouse_operator.kube import errors, resources
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.ports import Clock

_log = logging.getLogger(__name__)


class IssuedSecret:
    """Reads `tls.crt`, `tls.key` and `ca.crt`. https://cert-manager.io/docs/usage/certificate/#target-secret"""

    def __init__(self, *, api: Api, namespace: str, secret: str, name: str, clock: Clock) -> None:
        """`name` is the one that the certificate must bear: proxies call by it."""
        self._api = api
        self._namespace = namespace
        self._secret = secret
        self._name = name
        self._clock = clock
        self._told = ""

    async def read(self) -> Issued | None:
        """None: there is nothing that can be used, and the log has said why."""
        try:
            found = await self._api.get(resources.SECRETS, name=self._secret, namespace=self._namespace)
            issued = self._checked(found.get("data") or {})
        except errors.NotFound:
            self._tell("it does not exist yet")
            return None
        except (errors.KubeError, CertificateFault) as fault:
            self._tell(str(fault))
            return None
        self._told = ""
        return issued

    def _checked(self, data: dict[str, str]) -> Issued:
        if not data.get("ca.crt"):
            raise CertificateFault(
                "it has no key 'ca.crt', by which proxies know the operator: take an issuer that gives it (not ACME)"
            )
        leaf = KeyPair(certificate=keys.value(data, "tls.crt"), key=Secret(keys.value(data, "tls.key")))
        issued = Issued(authority=keys.value(data, "ca.crt"), leaf=leaf)
        certificates.check(trust=issued.authority, leaf=leaf, now=self._clock.wall())
        certificates.server_context(leaf)
        if certificates.lacking(leaf, names=[self._name]):
            raise CertificateFault(f"its certificate is not good for the name {self._name}: add it to dnsNames")
        return issued

    def _tell(self, why: str) -> None:
        """Once, until it is another reason."""
        if why != self._told:
            _log.warning(
                "the control stream's certificate in the Secret %s/%s cannot be used: %s. %s",
                self._namespace,
                self._secret,
                why,
                "What is in use, if anything, stays so.",
            )
        self._told = why
