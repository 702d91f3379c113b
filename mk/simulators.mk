##@ Simulators
simulators: setup ## Start Bedrock (9101), Azure OpenAI (9102) and their admin API (9100) on loopback
	PYTHONPATH=. $(BIN)/python -m tests.simulators

simulators-everything: setup ## The same with STS, Entra and every secret store, which take free ports
	PYTHONPATH=. $(BIN)/python -m tests.simulators --everything

.PHONY: simulators simulators-everything
