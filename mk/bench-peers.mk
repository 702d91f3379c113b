PEERS := .cache/peers

peers: $(PEERS)/litellm/.installed $(PEERS)/portkey/.installed ## Install the gateways that bench-peers measures, pinned (large)

$(PEERS)/litellm/.installed: tests/load/peers/litellm/requirements.lock $(VENV)/.installed
	test -x $(PEERS)/litellm/bin/python || $(BIN)/python -m venv --without-pip $(PEERS)/litellm
	$(BIN)/uv pip sync --quiet --python $(PEERS)/litellm/bin/python tests/load/peers/litellm/requirements.lock
	touch $@

$(PEERS)/portkey/.installed: tests/load/peers/portkey/package.json tests/load/peers/portkey/package-lock.json
	@command -v npm >/dev/null || { echo 'Portkey needs Node.js 20 or newer, with npm'; exit 1; }
	mkdir -p $(PEERS)/portkey
	cp $^ $(PEERS)/portkey
	cd $(PEERS)/portkey && npm ci --ignore-scripts --no-fund --no-audit --loglevel=error
	touch $@

bench-peers: compiled peers ## The same beside LiteLLM, Portkey, and AGENTGATEWAY=/path/to/agentgateway
	$(BIN)/python -m tests.load.peers

peers-lock: setup ## Pin the peers anew from tests/load/peers/*/requirements.in and package.json
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
		tests/load/peers/litellm/requirements.in -o tests/load/peers/litellm/requirements.lock
	cd tests/load/peers/portkey && npm install --package-lock-only --omit-lockfile-registry-resolved --no-fund --no-audit

.PHONY: peers bench-peers peers-lock
