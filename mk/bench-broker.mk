bench-broker: setup ## Renew 5,000 credentials of one minute, thrice, at a service that throttles; the last line is JSON
	$(BIN)/python -m tests.load.broker
.PHONY: bench-broker
