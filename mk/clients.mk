##@ Third-party clients
CLIENTS := .cache/venv-clients

clients: $(CLIENTS)/.installed ## Make the environment of the clients that we did not write (LangChain, Pydantic AI)

$(CLIENTS)/.installed: tests/clients/requirements.lock $(VENV)/.installed
	test -x $(CLIENTS)/bin/python || $(BIN)/python -m venv --without-pip $(CLIENTS)
	$(BIN)/uv pip sync --quiet --python $(CLIENTS)/bin/python tests/clients/requirements.lock
	touch $@

clients-lock: setup ## Pin the clients anew from tests/clients/requirements.in
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
		tests/clients/requirements.in -o tests/clients/requirements.lock

test-clients: clients ## LangChain and Pydantic AI through `pilothouse up` to both simulated clouds
	PYTHONPATH=. $(BIN)/python -m tests.clients

.PHONY: clients clients-lock test-clients
