"""A release as the chart makes it, run as processes against a real API server: operators, proxies, simulators.

What a kubelet would do is done here: the pods' arguments come from the rendered chart, their tokens from TokenRequest,
bound to Pod objects that exist.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pilothouse_api.names import CONTROL_AUDIENCE
from tests import planted, sweeps
from tests.cluster.controlplane.plane import ControlPlane, free_port

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "pilothouse"
RELEASE = "ship"
OPERATOR_ACCOUNT = f"{RELEASE}-pilothouse-operator"
GATEWAY_ACCOUNT = f"{RELEASE}-pilothouse-gateway"


def until(what: str, done: Callable[[], Any], *, seconds: float = 30) -> Any:
    """The first true answer of `done`; fails the test when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := done()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)
    return answer


@dataclass(slots=True)
class Running:
    """One process of the release and where it can be asked."""

    name: str
    argv: list[str]
    log: Path
    port: int
    admin_port: int
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """(Again), with the same arguments, ports and state."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=self.log.parent
            )

    def shown(self) -> list[sweeps.Place]:
        """What it shows of itself to whoever may look, beside its log; nothing once it has ended."""
        if self.process.poll() is not None:
            return []
        return [*sweeps.of_process(self.process.pid, self.name), *sweeps.of_pages(self.admin_port, self.name)]

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self, *, seconds: float = 20) -> int:
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def probe(self, path: str) -> int:
        """The status of a GET on the health port, 0 where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=20)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def tail(self) -> str:
        """The end of its log, for a failing test."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-25:])

    def until_ready(self, *, seconds: float = 30) -> None:
        """Waits for /readyz."""

        def ready() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")
            return self.probe("/readyz") == 200

        try:
            until(f"{self.name} is ready", ready, seconds=seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.tail()}") from None


class Fleet:
    """One release in one namespace, with `values` of the chart. Everything it started ends with it."""

    def __init__(
        self, plane: ControlPlane, namespace: str, *, server: str | None = None, values: Mapping[str, Any] | None = None
    ) -> None:
        self.plane = plane
        self.namespace = namespace
        self._server = server
        self.root = Path(tempfile.mkdtemp(prefix="pilothouse-fleet-"))
        self.operators: list[Running] = []
        self.proxies: list[Running] = []
        flags = [f"--set-json={name}={json.dumps(value)}" for name, value in (values or {}).items()]
        rendered = plane.helm(
            "template", RELEASE, str(CHART), f"--namespace={namespace}", "--set=crds.enabled=false", *flags
        ).stdout
        self._objects = [each for each in yaml.safe_load_all(rendered) if each]

    def install(self) -> None:
        """ServiceAccounts and rights exactly as the chart grants them."""
        kinds = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
        self.apply(*(each for each in self._objects if each["kind"] in kinds))

    def apply(self, *documents: dict[str, Any]) -> None:
        """`kubectl apply` of manifests; those without a namespace go to the release's."""
        text = yaml.safe_dump_all(documents)
        self.plane.kubectl("apply", f"--namespace={self.namespace}", "-f", "-", stdin=text)

    def start_operator(
        self, name: str = "operator-0", *, host: str = "127.0.0.1", environment: Mapping[str, str] | None = None
    ) -> Running:
        """One replica, signed in as the chart's ServiceAccount. `host`: where its control stream listens.

        `environment`: what the webhooks of the clouds put into its pod.
        """
        given = {"POD_NAME": name, **(environment or {})}
        self._make_pod(name, OPERATOR_ACCOUNT)
        token = self.plane.kubectl("create", "token", OPERATOR_ACCOUNT, f"--namespace={self.namespace}").stdout.strip()
        planted.plant("the operator's ServiceAccount token", token)
        kubeconfig = self.plane.kubeconfig_for(token=token, server=self._server, path=self.root / f"{name}.kubeconfig")
        listen, admin = free_port(), free_port()
        changed = {"--listen": f"{host}:{listen}", "--metrics-listen": f"127.0.0.1:{admin}"}
        running = Running(
            name=name,
            argv=[
                *("env", *(f"{key}={value}" for key, value in given.items())),
                *(sys.executable, "-m", "pilothouse", "operator"),
                *self._arguments("operator", changed),
                *(f"--kubeconfig={kubeconfig}", "--certificate-name=127.0.0.1"),
            ],
            log=self.root / f"{name}.log",
            port=listen,
            admin_port=admin,
        )
        running.start()
        self.operators.append(running)
        return running

    def start_gateway(self, name: str, *, operator: Running) -> Running:
        """One shared gateway, with a pod-bound token of its ServiceAccount."""
        listen, admin = free_port(), free_port()
        changed = {"--listen": f"127.0.0.1:{listen}", "--admin-listen": f"127.0.0.1:{admin}"}
        changed |= self._control(name, self.namespace, GATEWAY_ACCOUNT, operator)
        return self._start_proxy(name, self._arguments("gateway", changed), listen, admin)

    def start_sidecar(self, name: str, *, namespace: str, service_account: str, operator: Running) -> Running:
        """One sidecar of a pod in an application's namespace."""
        listen, admin = free_port(), free_port()
        control = self._control(name, namespace, service_account, operator)
        flags = {"--role": "sidecar", "--listen": f"127.0.0.1:{listen}", "--admin-listen": f"127.0.0.1:{admin}"}
        return self._start_proxy(name, [f"{flag}={value}" for flag, value in (flags | control).items()], listen, admin)

    def status(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
        """The status of a resource, empty before the first write."""
        found: dict[str, Any] = self.plane.get(kind, name, "-n", namespace or self.namespace)
        status: dict[str, Any] = found.get("status", {})
        return status

    def condition(self, kind: str, name: str, which: str, namespace: str | None = None) -> dict[str, Any]:
        """One condition, empty where it is not there."""
        conditions = self.status(kind, name, namespace).get("conditions", [])
        return next((each for each in conditions if each["type"] == which), {})

    def stop(self) -> None:
        """Ends every process, and removes their logs and tokens; nobody shows a planted secret until then."""
        everybody = (*self.proxies, *self.operators)
        shown = [place for running in everybody for place in running.shown()]
        for running in everybody:
            running.stop()
        try:
            self.sweep(shown)
        finally:
            shutil.rmtree(self.root, ignore_errors=True)

    def sweep(self, shown: Iterable[sweeps.Place] = ()) -> None:
        """Looks for every secret of the cluster and of the proxies in `shown`, all logs and what the cluster shows."""
        sweeps.plant_cluster(self.plane)
        for running in self.proxies:
            sweeps.plant_state(self.root / running.name / "state")
        logs = [(f"the log of {path.stem}", path.read_bytes()) for path in self.root.glob("*.log")]
        planted.sweep([*shown, *logs, *sweeps.of_cluster(self.plane)])

    def _start_proxy(self, name: str, arguments: list[str], listen: int, admin: int) -> Running:
        running = Running(
            name=name,
            argv=[sys.executable, "-m", "pilothouse", "proxy", *arguments],
            log=self.root / f"{name}.log",
            port=listen,
            admin_port=admin,
        )
        running.start()
        self.proxies.append(running)
        return running

    def _control(self, name: str, namespace: str, account: str, operator: Running) -> dict[str, str]:
        """The flags of a proxy's control stream, their files filled as a kubelet would."""
        self._make_pod(name, account, namespace)
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        state = folder / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        token = self.plane.pod_token(namespace=namespace, service_account=account, pod=name, audience=CONTROL_AUDIENCE)
        (folder / "token").write_text(token)
        (folder / "ca.crt").write_text(self._authority())
        return {
            "--control-url": f"https://127.0.0.1:{operator.port}",
            "--control-ca": str(folder / "ca.crt"),
            "--control-token": str(folder / "token"),
            "--state-dir": str(state),
        }

    def _authority(self) -> str:
        """The CA certificate that the leader publishes."""

        def published() -> str:
            found = self.plane.kubectl(
                *("get", "configmap", "pilothouse-ca", f"--namespace={self.namespace}", "--ignore-not-found"),
                *("-o", r"jsonpath={.data.ca\.crt}"),
            )
            return found.stdout

        try:
            return str(until("the leader publishes the ConfigMap pilothouse-ca", published))
        except AssertionError as missing:
            raise AssertionError(f"{missing}\n{self.operators[0].tail() if self.operators else ''}") from None

    def _arguments(self, component: str, changed: dict[str, str]) -> list[str]:
        """The chart's arguments of a component's container, some of them changed."""
        deployment = next(
            each
            for each in self._objects
            if each["kind"] == "Deployment" and each["metadata"]["name"].endswith(f"-{component}")
        )
        given: list[str] = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
        kept = [argument for argument in given if argument.partition("=")[0] not in changed]
        return [*kept, *(f"{flag}={value}" for flag, value in changed.items())]

    def _make_pod(self, name: str, account: str, namespace: str | None = None) -> None:
        """A Pod object that no kubelet will ever run: tokens are bound to it."""
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace or self.namespace},
            "spec": {
                "serviceAccountName": account,
                "automountServiceAccountToken": False,
                "containers": [{"name": "c", "image": "none.invalid/none"}],
            },
        }
        self.plane.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(pod))


@dataclass(frozen=True, slots=True)
class Clouds:
    """Where the simulators answer."""

    bedrock: str
    azure: str
    openai: str
    admin: str


@contextlib.contextmanager
def simulated_clouds() -> Iterator[Clouds]:
    """Both clouds on free loopback ports, as a process of their own."""
    with simulators() as said:
        yield Clouds(bedrock=said["bedrock"], azure=said["azure"], openai=said["openai"], admin=said["admin"])


@contextlib.contextmanager
def simulators(*flags: str) -> Iterator[dict[str, Any]]:
    """The addresses of simulators on free loopback ports, in a process of their own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.simulators", "--port", "0", *flags],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"},
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()
