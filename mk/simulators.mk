##@ Simulators
simulators: setup ## Start Bedrock (9101), Azure OpenAI (9102) and their admin API (9100) on loopback
	PYTHONPATH=. $(BIN)/python -m tests.simulators

.PHONY: simulators
