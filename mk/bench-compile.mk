##@ Load
bench-compile: setup ## How long 1,000 routes and 100 providers take to compile; the last line is JSON
	PYTHONPATH=$(CURDIR) $(BIN)/python -m tests.load.compile

.PHONY: bench-compile
