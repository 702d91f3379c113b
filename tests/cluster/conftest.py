"""Fixtures over a real API server: one control plane a test run, a namespace a test."""

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.controlplane.gate import Gate
from tests.cluster.controlplane.plane import ControlPlane

ROOT = Path(__file__).parents[2]
CRDS = sorted((ROOT / "crds").glob("*.yaml"))


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """Shared by the run: for tests that do not break it."""
    with ControlPlane() as plane:
        install_crds(plane)
        yield plane


@pytest.fixture(scope="module")
def hostile_plane() -> Iterator[ControlPlane]:
    """One for each module whose tests kill, compact or starve it. Ends watches that ask for no timeout after 5–10 s."""
    with ControlPlane(server_flags=("--min-request-timeout=5",)) as plane:
        install_crds(plane)
        yield plane


@pytest.fixture
def gate(hostile_plane: ControlPlane) -> Iterator[Gate]:
    """A relay in front of the hostile plane's API server."""
    with Gate(hostile_plane.port) as relay:
        yield relay


@pytest.fixture
def kubectl(control_plane: ControlPlane) -> Callable[..., subprocess.CompletedProcess[str]]:
    """kubectl against the shared plane."""
    return control_plane.kubectl


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace of the test's own on the shared plane."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


def install_crds(plane: ControlPlane) -> None:
    """Applies the generated CRDs and waits until the API serves them."""
    for crd in CRDS:
        plane.kubectl("apply", "--server-side", "-f", str(crd))
    for crd in CRDS:
        plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(crd))
