"""Starts and stops one real control plane: etcd, kube-apiserver, kube-controller-manager."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests import planted

HERE = Path(__file__).parent
ADMIN_TOKEN = "admin-token-of-a-throw-away-cluster"
ISSUER = "https://kubernetes.default.svc"

planted.plant("the administrator's token", ADMIN_TOKEN)


def binaries() -> Path:
    """The folder with the programs, built if need be."""
    built = subprocess.run([str(HERE / "build.sh")], check=True, stdout=subprocess.PIPE, text=True)
    return Path(built.stdout.strip())


def free_port() -> int:
    """A loopback port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ControlPlane:
    """One etcd, one API server, and the controllers that give namespaces, ServiceAccounts and workloads their life."""

    def __init__(self, *, server_flags: tuple[str, ...] = ()) -> None:
        self.bin = binaries()
        self.root = Path(tempfile.mkdtemp(prefix="pilothouse-cluster-"))
        self.port = free_port()
        self._etcd_port, self._peer_port = free_port(), free_port()
        self._server_flags = server_flags
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: list[IO[bytes]] = []
        self.audit_log = self.root / "audit.log"

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def ca(self) -> Path:
        """The API server signs its own certificate: it is its CA."""
        return self.root / "certs" / "apiserver.crt"

    def __enter__(self) -> Self:
        self._write_files()
        self._start_etcd()
        self.start_apiserver()
        self._start_controllers()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in ("kube-controller-manager", "kube-apiserver", "etcd"):
            self._end(name)
        for log in self._logs:
            log.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def start_apiserver(self) -> None:
        """(Again) on the same port and state; returns when it is ready."""
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--cert-dir={self.root / 'certs'}",
            f"--token-auth-file={self.root / 'tokens.csv'}",
            "--authorization-mode=Node,RBAC",
            "--anonymous-auth=false",
            f"--service-account-issuer={ISSUER}",
            f"--api-audiences={ISSUER}",
            f"--service-account-key-file={self.root / 'sa.pub'}",
            f"--service-account-signing-key-file={self.root / 'sa.key'}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--allow-privileged=true",
            f"--audit-policy-file={self.root / 'audit.yaml'}",
            f"--audit-log-path={self.audit_log}",
            *self._server_flags,
        )
        self._await_ready()

    def kill_apiserver(self) -> None:
        """SIGKILL, as a crash: open watches are cut without a word."""
        self._end("kube-apiserver", how=signal.SIGKILL)

    def compact(self) -> None:
        """Drops every revision but the newest, so that a resumed watch gets 410 Gone."""
        head = self._etcd("kv/range", {"key": "AA=="})["header"]["revision"]
        self._etcd("kv/compaction", {"revision": head, "physical": True})

    def kubeconfig_for(self, *, token: str, server: str | None = None, path: Path) -> Path:
        """Writes a kubeconfig that signs in with a token."""
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "clusters": [
                        {
                            "name": "test",
                            "cluster": {"server": server or self.url, "certificate-authority": str(self.ca)},
                        }
                    ],
                    "users": [{"name": "test", "user": {"token": token}}],
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                }
            )
        )
        path.chmod(0o600)
        return path

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs kubectl as a user would; with `check`, a refusal fails the test and shows what was said."""
        done = subprocess.run(
            [str(self.bin / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done

    def get(self, *arguments: str) -> Any:
        """`kubectl get … -o json`, parsed."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json").stdout)

    def helm(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs helm with state of its own."""
        done = subprocess.run(
            [str(self.bin / "helm"), f"--kubeconfig={self.kubeconfig}", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
            env={**os.environ, "HELM_CACHE_HOME": str(self.root / "helm"), "HELM_CONFIG_HOME": str(self.root / "helm")},
        )
        if check and done.returncode:
            raise AssertionError(f"helm {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done

    def pod_token(self, *, namespace: str, service_account: str, pod: str, audience: str) -> str:
        """A pod-bound ServiceAccount token, as a kubelet would project it."""
        token = self.kubectl(
            "create",
            "token",
            service_account,
            f"--namespace={namespace}",
            f"--audience={audience}",
            "--bound-object-kind=Pod",
            f"--bound-object-name={pod}",
        ).stdout.strip()
        planted.plant(f"the token of pod {namespace}/{pod}", token)
        return token

    def _write_files(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (self.root / "sa.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        (self.root / "sa.pub").write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        (self.root / "tokens.csv").write_text(f'{ADMIN_TOKEN},admin,admin,"system:masters"\n')
        (self.root / "audit.yaml").write_text(
            yaml.safe_dump({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]})
        )

    def _start_etcd(self) -> None:
        client = f"http://127.0.0.1:{self._etcd_port}"
        peer = f"http://127.0.0.1:{self._peer_port}"
        self._spawn(
            "etcd",
            "--unsafe-no-fsync",
            f"--data-dir={self.root / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        )

    def _start_controllers(self) -> None:
        self._spawn(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={self.root / 'sa.key'}",
            f"--root-ca-file={self.ca}",
            "--leader-elect=false",
            "--secure-port=0",
            "--use-service-account-credentials=false",
        )

    def _await_ready(self) -> None:
        self._until("the API server's certificate", self.ca.exists)
        self.kubeconfig_for(token=ADMIN_TOKEN, path=self.kubeconfig)
        self._until("/readyz", lambda: self.kubectl("get", "--raw=/readyz", check=False).returncode == 0)
        self._until(
            "the namespace default", lambda: self.kubectl("get", "namespace", "default", check=False).returncode == 0
        )

    def _until(self, what: str, done: Any) -> None:
        deadline = time.monotonic() + 90
        while not done():
            for name, process in self._running.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended with {process.returncode}: {self._tail(name)}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"no {what} after 90 s: {self._tail('kube-apiserver')}")
            time.sleep(0.1)

    def _tail(self, name: str) -> str:
        return "\n".join((self.root / f"{name}.log").read_text(errors="replace").splitlines()[-15:])

    def _spawn(self, name: str, *flags: str) -> None:
        log = (self.root / f"{name}.log").open("ab")
        self._logs.append(log)
        self._running[name] = subprocess.Popen(
            [str(self.bin / name), *flags], stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )

    def _end(self, name: str, *, how: signal.Signals = signal.SIGTERM) -> None:
        process = self._running.pop(name, None)
        if process is None:
            return
        # The API server waits up to a minute for its watches when asked politely.
        process.send_signal(signal.SIGKILL if name == "kube-apiserver" else how)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _etcd(self, call: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._etcd_port}/v3/{call}", data=json.dumps(body).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
