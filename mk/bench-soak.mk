SOAK_MINUTES ?= 10

soak: setup ## The proxy under a mixture of callers, every answer checked (SOAK_MINUTES=10); the last line is JSON
	$(BIN)/python -m tests.load.soak --minutes $(SOAK_MINUTES)

.PHONY: soak
