"""How one authority follows another without a proxy that refuses its operator. Pure.

    STEADY ──announce──▶ trust old + new, shown: old ──(everywhere, for OVERLAP_S)──switch──▶
           trust old + new, shown: new ──(for OVERLAP_S)──retire──▶ STEADY, trust new

A proxy reads its trust from a ConfigMap that a kubelet has mounted, anew for each connection. So whatever is shown must
be trusted by every version of that ConfigMap that any pod may still see.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace

from pilothouse_operator.distribution import certificates
from pilothouse_operator.distribution.certificates import Authority, KeyPair
from pilothouse_operator.distribution.keys import Keys

OVERLAP_S = 1_800.0
"""A kubelet renews a mounted ConfigMap within its sync period and the delay of its cache, two minutes by default, and a
replica sees what the leader wrote within one. Ten times that forgives kubelets that restart and nodes that are cut off
for a while; longer would only lengthen the time for which an authority that somebody wants to be rid of is trusted.
https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically
"""
_PRESSING_S = 600.0
"""With so little of the leaf's life left, waiting breaks more than it saves."""


class Step(enum.StrEnum):
    """What is to be written next."""

    NONE = "none"
    RENEW = "renew"
    ANNOUNCE = "announce"
    WITHDRAW = "withdraw"
    CONFIRM = "confirm"
    DOUBT = "doubt"
    SWITCH = "switch"
    RETIRE = "retire"


class Phase(enum.StrEnum):
    """Where a succession stands, for metrics and readers."""

    STEADY = "steady"
    ANNOUNCED = "announced"
    SWITCHED = "switched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What somebody else issued for us (cert-manager): a leaf, and the certificate to trust, PEM."""

    authority: str
    leaf: KeyPair


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a step depends on besides the keys.

    `names`: that the leaf must bear. `published`: the trust of these keys is wherever proxies are; `lacking`: there is
    somewhere where it is known not to be (neither: nobody has looked yet). `foreign`: somebody
    else is to issue; `issued`: what was, None while there is nothing. `asked`: somebody wants another authority.
    """

    names: tuple[str, ...]
    now: float
    published: bool
    lacking: bool = False
    foreign: bool = False
    issued: Issued | None = None
    asked: bool = False


def phase(keys: Keys) -> Phase:
    """Where its succession stands."""
    if keys.successor is not None:
        return Phase.ANNOUNCED
    return Phase.SWITCHED if keys.predecessor else Phase.STEADY


def decide(keys: Keys, at: Situation) -> Step:
    """The one next step. Raises CertificateFault where a certificate cannot be read."""
    renew = _renews(keys, at)
    pressing = certificates.ends(keys.leaf.certificate) - at.now < _PRESSING_S
    if keys.successor is not None:
        return _announced(keys, keys.successor, at, pressing=pressing) or (Step.RENEW if renew else Step.NONE)
    if renew:
        return Step.RENEW
    wants = _wants_another(keys, at)
    if keys.predecessor and not (wants and pressing):
        return Step.RETIRE if _waited(keys, at) else Step.CONFIRM if _set_back(keys, at) else Step.NONE
    return Step.ANNOUNCE if wants else Step.NONE


def _announced(keys: Keys, successor: Authority, at: Situation, *, pressing: bool) -> Step | None:
    """None: it waits."""
    if at.issued is not None and at.issued.authority == keys.authority.certificate:
        return Step.WITHDRAW
    if at.issued is not None and at.issued.authority != successor.certificate:
        return Step.ANNOUNCE
    if successor.key is None and at.issued is None:
        return None if at.foreign else Step.ANNOUNCE
    if pressing:
        return Step.SWITCH
    if at.lacking:
        # A replica that thought it led may have put the old trust back.
        return Step.DOUBT if keys.since is not None else None
    if _waited(keys, at):
        return Step.SWITCH
    return Step.CONFIRM if at.published and (keys.since is None or _set_back(keys, at)) else None


def _renews(keys: Keys, at: Situation) -> bool:
    """Whether the same authority has, or can make, a better leaf."""
    if at.issued is not None and at.issued.authority == keys.authority.certificate:
        return at.issued.leaf != keys.leaf
    if keys.authority.key is None:
        return False
    return certificates.leaf_is_due(keys.leaf, authority=keys.authority, names=at.names, now=at.now)


def _wants_another(keys: Keys, at: Situation) -> bool:
    if at.foreign and at.issued is not None:
        return at.issued.authority != keys.authority.certificate
    if keys.authority.key is None:
        return not at.foreign
    return at.asked or certificates.authority_is_due(keys.authority, now=at.now)


def _waited(keys: Keys, at: Situation) -> bool:
    return keys.since is not None and at.now - keys.since >= OVERLAP_S


def _set_back(keys: Keys, at: Situation) -> bool:
    """A clock that was wrong would make the wait endless: it begins anew."""
    return keys.since is not None and keys.since > at.now


def take(
    step: Step, keys: Keys, at: Situation, *, authority: Callable[[], Authority], leaf: Callable[[Authority], KeyPair]
) -> Keys:
    """The keys after a step of `decide`; `authority` makes a new one, `leaf` has one of ours issue."""
    match step:
        case Step.NONE:
            return keys
        case Step.RENEW:
            return replace(keys, leaf=_leaf(keys.authority, at, leaf))
        case Step.ANNOUNCE:
            successor = Authority(certificate=at.issued.authority) if at.issued else authority()
            # In haste one may still be trusted that is shown no more: it gives way.
            return replace(keys, successor=successor, predecessor="", since=None)
        case Step.WITHDRAW:
            return replace(keys, successor=None, since=None)
        case Step.DOUBT:
            return replace(keys, since=None)
        case Step.CONFIRM:
            return replace(keys, since=float(int(at.now)))
        case Step.SWITCH:
            successor = keys.successor or keys.authority
            return replace(
                keys,
                authority=successor,
                leaf=_leaf(successor, at, leaf),
                successor=None,
                predecessor=keys.authority.certificate,
                since=float(int(at.now)),
            )
        case Step.RETIRE:
            return replace(keys, predecessor="", since=None)


def _leaf(authority: Authority, at: Situation, leaf: Callable[[Authority], KeyPair]) -> KeyPair:
    if at.issued is not None and at.issued.authority == authority.certificate:
        return at.issued.leaf
    return leaf(authority)
