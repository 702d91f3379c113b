conformance: setup ## Try every family × API × feature through a proxy at the simulators; the last line is JSON
	$(BIN)/python -m tests.conformance

.PHONY: conformance
