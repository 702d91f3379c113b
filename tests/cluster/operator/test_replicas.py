"""Two replicas of one release on a real API server: shared keys, counts over both, and a hand-over."""

import socket
import ssl
from collections.abc import Iterator

import pytest
import yaml

from tests.cluster.controlplane.plane import ControlPlane
from tests.cluster.fleet import RELEASE, Fleet, Running, until

pytestmark = pytest.mark.cluster

NAMESPACE = "twins"
SERVICE = f"{RELEASE}-pilothouse-operator"

MANIFESTS = """
apiVersion: pilothouse.dev/v1alpha1
kind: LLMProvider
metadata: {name: local}
spec: {openAI: {baseURL: "http://127.0.0.1:9/v1"}}
---
apiVersion: pilothouse.dev/v1alpha1
kind: ModelRoute
metadata: {name: chat}
spec: {models: [chat], targets: [{providerRef: {name: local}}]}
"""


def endpoints(fleet: Fleet, operators: list[Running]) -> None:
    """What the endpoint controller would write for the operator's Service: here every replica has a port of its own."""
    for operator in operators:
        fleet.apply(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": operator.name, "labels": {"kubernetes.io/service-name": SERVICE}},
                "addressType": "IPv4",
                "ports": [{"name": "control", "port": operator.port, "protocol": "TCP"}],
                "endpoints": [
                    {
                        # The API server refuses loopback addresses here.
                        "addresses": [own_address()],
                        "conditions": {"ready": True},
                        "targetRef": {"kind": "Pod", "name": operator.name, "namespace": NAMESPACE},
                    }
                ],
            }
        )


def own_address() -> str:
    """An address of this machine that is not loopback. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        found: str = probe.getsockname()[0]
        return found


@pytest.fixture(scope="module")
def fleet(control_plane: ControlPlane) -> Iterator[Fleet]:
    control_plane.kubectl("create", "namespace", NAMESPACE)
    fleet = Fleet(control_plane, NAMESPACE)
    try:
        fleet.install()
        fleet.apply(*yaml.safe_load_all(MANIFESTS))
        for number in range(2):
            fleet.start_operator(f"operator-{number}", host="0.0.0.0").until_ready()
        endpoints(fleet, fleet.operators)
        for number, operator in enumerate(fleet.operators):
            fleet.start_gateway(f"gateway-{number}", operator=operator).until_ready()
        yield fleet
    finally:
        fleet.stop()
        control_plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def programmed(fleet: Fleet) -> str:
    summary: str = fleet.status("modelroute", "chat").get("programmed", {}).get("summary", "")
    return summary


def leader(fleet: Fleet) -> Running | None:
    """None between two of them."""
    lease = fleet.plane.get("lease", SERVICE, "-n", NAMESPACE)
    holder = lease["spec"].get("holderIdentity") or ""
    return next((operator for operator in fleet.operators if holder.startswith(operator.name)), None)


def test_both_replicas_show_certificates_of_one_authority(fleet: Fleet) -> None:
    authority = fleet.plane.get("configmap", "pilothouse-ca", "-n", NAMESPACE)["data"]["ca.crt"]
    for operator in fleet.operators:
        context = ssl.create_default_context(cadata=authority)
        with (
            socket.create_connection(("127.0.0.1", operator.port)) as raw,
            context.wrap_socket(raw, server_hostname=f"{SERVICE}.{NAMESPACE}.svc") as secured,
        ):
            assert secured.getpeercert()


def test_programmed_counts_the_proxies_of_both_replicas(fleet: Fleet) -> None:
    until("both gateways are counted", lambda: programmed(fleet) == "2/2")
    fleet.plane.kubectl(
        *("patch", "modelroute", "chat", f"--namespace={NAMESPACE}", "--type=merge"),
        *("-p", '{"spec": {"models": ["renamed"]}}'),
    )
    until(
        "both gateways run the new generation",
        lambda: (
            programmed(fleet) == "2/2"
            and fleet.condition("modelroute", "chat", "Programmed")["observedGeneration"] == 2
        ),
    )


def test_a_replica_that_does_not_answer_makes_counts_unknown_not_zero(fleet: Fleet) -> None:
    until("both gateways are counted", lambda: programmed(fleet) == "2/2")
    other = next(operator for operator in fleet.operators if operator is not leader(fleet))
    other.kill()
    until(
        "the condition says that a replica is silent",
        lambda: fleet.condition("modelroute", "chat", "Programmed").get("reason") == "ReplicaUnreachable",
    )
    assert fleet.condition("modelroute", "chat", "Programmed")["status"] == "Unknown"
    other.start()
    until("both gateways are counted again", lambda: programmed(fleet) == "2/2", seconds=60)


def test_on_sigterm_the_other_replica_leads_and_goes_on_counting(fleet: Fleet) -> None:
    first = until("one leads", lambda: leader(fleet))
    assert first.stop() == 0
    until("the other one leads", lambda: leader(fleet) not in (None, first), seconds=10)
    first.start()
    until("both gateways are counted by the new leader", lambda: programmed(fleet) == "2/2", seconds=60)
