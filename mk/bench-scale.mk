bench-scale: setup ## 10,000 idle connections, 1,000 streams at once, slow readers; the last line is JSON
	$(BIN)/python -m tests.load.scale
.PHONY: bench-scale
