##@ Run
DIR ?= examples/quickstart
LISTEN ?= 127.0.0.1:8080
# The quickstart's providers are simulators; other directories bring their own.
SIMULATORS = $(if $(filter examples/quickstart,$(patsubst %/,%,$(DIR))),--exec '$(BIN)/python -m tests.simulators')

run: setup ## Serve examples/quickstart with simulated clouds (DIR=…, LISTEN=host:port for others)
	@PYTHONPATH=$(CURDIR) exec $(BIN)/python -m pilothouse up $(DIR) --listen $(LISTEN) $(SIMULATORS)

.PHONY: run
