##@ Images and clusters
CONTAINER ?= docker
KIND_CLUSTER ?= pilothouse

images: ## Build the images pilothouse-operator:dev and pilothouse-proxy:dev (needs Docker, or CONTAINER=podman)
	$(CONTAINER) build --target operator --tag pilothouse-operator:dev .
	$(CONTAINER) build --target proxy --tag pilothouse-proxy:dev .

kind-up: images ## Start a kind cluster and install Pilothouse in it (needs Docker, kind, kubectl, helm)
	@for tool in kind kubectl helm; do command -v $$tool >/dev/null || { echo "make kind-up needs $$tool"; exit 1; }; done
	kind get clusters | grep -qx $(KIND_CLUSTER) || kind create cluster --name $(KIND_CLUSTER) --wait 120s
	kind load docker-image --name $(KIND_CLUSTER) pilothouse-operator:dev pilothouse-proxy:dev
	helm upgrade --install pilothouse charts/pilothouse --kube-context kind-$(KIND_CLUSTER) \
		--namespace pilothouse-system --create-namespace --values examples/helm/values-dev.yaml --wait --timeout 3m
	kubectl --context kind-$(KIND_CLUSTER) get pods --namespace pilothouse-system

kind-down: ## Delete that cluster
	kind delete cluster --name $(KIND_CLUSTER)

.PHONY: images kind-up kind-down
