# What the image runs: compiled, unless BENCH_PYTHON names another environment with the proxy in it.
export BENCH_PYTHON ?= $(CURDIR)/$(COMPILED)/bin/python

bench-proxy: $(if $(filter $(CURDIR)/%,$(BENCH_PYTHON)),compiled,setup) ## CPU, memory and latency of the proxy beside nginx in one run (needs cc, nginx, taskset)
	$(BIN)/python -m tests.load.bench

.PHONY: bench-proxy
