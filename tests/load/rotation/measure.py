"""Every kind of credential is rotated while requests flow: does one of them fail, and how soon is a new secret in use?

Against a real API server, and clouds that check what they are shown. Secrets change in their stores, and 2 s after a
store has shown the new one, the old one opens nothing any more: whoever does not follow, fails. What is issued lives
for less than a minute; in every round all that one identity was issued is revoked before its end.
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import datetime

from tests.cluster import manifests, sign_ins
from tests.cluster.conftest import install_crds
from tests.cluster.controlplane.plane import ControlPlane
from tests.cluster.estate import Estate, Ledger, simulated_estate
from tests.cluster.fleet import Fleet, until
from tests.cluster.sign_ins import KINDS, KUBERNETES, VAULT_TOKEN
from tests.cluster.traffic import Traffic
from tests.load.rotation.turns import Rotation, Turns
from tests.simulators.estate import fleet as estates
from tests.simulators.estate.keys import BY_KEY
from tests.simulators.estate.pod import OPERATOR_ROLE

NAMESPACE = "bench"

_REVOKED = (
    {"role": OPERATOR_ROLE},
    {"application": estates.WORKLOAD},
    {"role": estates.MODELS_ROLE},
    {"application": estates.BY_SECRET},
    {"role": BY_KEY},
    {"application": estates.BY_CERTIFICATE},
)
"""Whose sessions or tokens end before their time, one a round: for 10 s a provider may not refuse another one."""


def say(text: str) -> None:
    """Progress, beside the result."""
    print(text, file=sys.stderr, flush=True)


def prepare(fleet: Fleet, estate: Estate, *, gateways: int, life_s: int) -> None:
    """A provider and a route of every kind, and each answers at every gateway."""
    fleet.install()
    estate.shorten(sts=life_s, entra=life_s, managed=life_s, google=life_s)
    fleet.apply(manifests.caller_secret())
    for kind in (*KINDS, VAULT_TOKEN):
        if kind.secret:
            sign_ins.rotate(kind, 0, estate, fleet.apply)
    fleet.apply(*(sign_ins.provider(kind, estate) for kind in KINDS), *map(sign_ins.route, KINDS))
    operator = fleet.start_operator(environment=estate.environment)
    operator.until_ready()
    for number in range(gateways):
        fleet.start_gateway(f"gateway-{number}", operator=operator)
    for proxy in fleet.proxies:
        proxy.until_ready(seconds=120)
    with traffic(fleet, rate=20) as probing:
        until("every kind answers everywhere", lambda: _all_answer(estate.ledger(), fleet), seconds=60)
    say(f"{len(KINDS)} kinds answer at {gateways} gateways; {probing.tally.requests} requests until then")


def _all_answer(ledger: Ledger, fleet: Fleet) -> bool:
    callers = {proxy.name for proxy in fleet.proxies}
    reached: dict[str, set[str]] = {kind.name: set() for kind in KINDS}
    for kind in KINDS:
        for credential in ledger.credentials.get(kind.name, ()):
            reached[kind.name] |= set(ledger.used.get(credential, ()))
    return all(callers <= each for each in reached.values())


def traffic(fleet: Fleet, *, rate: float) -> Traffic:
    """At every gateway, every kind in turn."""
    names = {proxy.port: proxy.name for proxy in fleet.proxies}
    return Traffic(
        list(names),
        rate=rate,
        models=[kind.name for kind in KINDS],
        text=lambda kind, port: sign_ins.mark(kind, names[port]),
    )


def rotate_all(fleet: Fleet, estate: Estate, *, rounds: int, round_s: float, grace_s: float) -> list[Rotation]:
    """Some rounds, in each of which every secret is rotated once, the pod's tokens too, and an identity's revoked."""
    turns = Turns(estate, fleet.apply, grace_s=grace_s)
    revoked = itertools.cycle(_REVOKED)
    for turn in range(1, rounds + 1):
        ends = time.monotonic() + round_s
        # Its end is sooner than a round's: whoever read it once only would soon be nobody.
        estate.project_tokens(life_s=round_s + 15)
        for kind in (*KINDS, VAULT_TOKEN):
            if kind.secret:
                turns.rotate(kind, turn)
                turns.until(time.monotonic() + 0.5)
        ended = estate.revoke_issued(**next(revoked))
        turns.until(ends)
        say(f"round {turn}: {len(turns.done)} secrets rotated so far; {ended} sessions or tokens were revoked early")
    until("every new secret was shown and every old one revoked", turns.settled, seconds=60)
    return turns.done


def written(plane: ControlPlane) -> dict[str, list[float]]:
    """Kubernetes Secret → when the API server got each write of it, by its audit log, in Unix seconds."""
    times: dict[str, list[float]] = {}
    for line in plane.audit_log.read_text().splitlines():
        event = json.loads(line)
        at = event.get("objectRef", {})
        if event["stage"] != "ResponseComplete" or at.get("resource") != "secrets" or at.get("namespace") != NAMESPACE:
            continue
        if event["verb"] in ("create", "patch"):
            received = datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()
            times.setdefault(at.get("name") or "", []).append(received)
    return times


def to_live(rotations: Iterable[Rotation], ledger: Ledger, fleet: Fleet) -> Iterator[tuple[str, float]]:
    """Secret, and seconds from when its store first showed it until it was in use at the last gateway."""
    writes = written(fleet.plane)
    for rotation in rotations:
        if rotation.kind is VAULT_TOKEN:
            continue  # no provider sees it
        used = ledger.used.get(rotation.secret, {})
        shown = rotation.shown(ledger)
        if rotation.kind.store == KUBERNETES:
            shown = writes[f"{rotation.kind.name}-secret"][rotation.turn]
        missing = [proxy.name for proxy in fleet.proxies if proxy.name not in used]
        if shown is None or missing:
            raise AssertionError(f"{rotation.secret} was not in use at {', '.join(missing)}; shown: {shown}")
        yield rotation.secret, max(used[proxy.name] for proxy in fleet.proxies) - shown


def changes(ledger: Ledger) -> dict[str, int]:
    """Kind → how often another credential took the place of one, as its provider saw it."""
    return {kind.name: len(ledger.credentials[kind.name]) - 1 for kind in KINDS}


def run() -> None:
    """`python -m tests.load.rotation`: progress, then one line of JSON. Ends with 1 if a request failed."""
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("--gateways", type=int, default=2)
    parser.add_argument("--rate", type=float, default=200, help="requests a second in all")
    parser.add_argument("--rounds", type=int, default=4, help="how often every secret is rotated")
    parser.add_argument("--round-s", type=float, default=30, help="seconds of a round; stores are asked every 10")
    parser.add_argument("--life-s", type=int, default=45, help="seconds that what is issued lives")
    parser.add_argument("--grace-s", type=float, default=2, help="seconds from showing a secret to revoking its former")
    options = parser.parse_args()
    with ControlPlane() as plane, simulated_estate() as estate:
        install_crds(plane)
        plane.kubectl("create", "namespace", NAMESPACE)
        fleet = Fleet(plane, NAMESPACE, values={"identity.endpoints": estate.endpoints})
        try:
            prepare(fleet, estate, gateways=options.gateways, life_s=options.life_s)
            with traffic(fleet, rate=options.rate) as flowing:
                rotations = rotate_all(
                    fleet, estate, rounds=options.rounds, round_s=options.round_s, grace_s=options.grace_s
                )
                time.sleep(5)
            ledger = estate.ledger()
            took = dict(to_live(rotations, ledger, fleet))
        finally:
            fleet.stop()
    report(took, changes(ledger), rotations, flowing)


def report(took: dict[str, float], seen: dict[str, int], rotations: list[Rotation], flowing: Traffic) -> None:
    """Details beside the result, then the result."""
    for kind in KINDS:
        own = [seconds for secret, seconds in took.items() if secret.startswith(f"{kind.name}/")]
        slowest = f", live after {max(own) * 1000:.0f} ms at most" if own else ""
        say(f"{kind.name}: {seen[kind.name]} times another{slowest}")
    for failure, count in flowing.tally.failures.items():
        say(f"{count} × {failure}")
    unmoved = [kind for kind, number in seen.items() if not number]
    if unmoved:
        raise AssertionError(f"never rotated: {', '.join(unmoved)}")
    ordered = sorted(took.values())
    tokens = sum(rotation.kind is VAULT_TOKEN for rotation in rotations)
    result = {
        "kinds": len(KINDS) + 1,
        "rotations": sum(seen.values()) + tokens,
        "requests": flowing.tally.requests,
        "failed": flowing.tally.failed,
        "store_to_live_ms_p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000, 1),
    }
    print(json.dumps(result))
    sys.exit(1 if flowing.tally.failed else 0)
