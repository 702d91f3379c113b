##@ Cluster tests
control-plane: setup ## Build (once) the API server and etcd that the cluster tests start
	@PYTHON=$(CURDIR)/$(BIN)/python tests/cluster/controlplane/build.sh >/dev/null

test-cluster: control-plane ## Tests against a real API server, with kubectl and helm
	$(BIN)/pytest tests/cluster -m cluster
.PHONY: control-plane test-cluster
