bench-proxy: setup ## CPU, memory and latency of the proxy beside nginx in one run (needs cc, nginx, taskset)
	$(BIN)/python -m tests.load.bench
.PHONY: bench-proxy
