##@ Fuzzing
FUZZ := .cache/venv-fuzz
FUZZ_SECONDS ?= 60
FUZZ_FLAGS = --seconds $(FUZZ_SECONDS) $(if $(FUZZ_SEED),--seed $(FUZZ_SEED)) $(if $(FUZZ_LAW),--law $(FUZZ_LAW)) $(if $(FUZZ_REPLAY),--replay $(FUZZ_REPLAY))

$(FUZZ)/.installed: tests/fuzz/requirements.lock $(VENV)/.installed
	test -x $(FUZZ)/bin/python || $(BIN)/python -m venv --without-pip $(FUZZ)
	$(BIN)/uv pip sync --quiet --python $(FUZZ)/bin/python tests/fuzz/requirements.lock
	touch $@

fuzz: setup $(FUZZ)/.installed ## Bytes from outside against both parsers and the streams (FUZZ_SECONDS=60, FUZZ_SEED=, FUZZ_LAW=, FUZZ_REPLAY=)
	$(BIN)/python -m tests.fuzz $(FUZZ_FLAGS)

fuzz-lock: setup ## Pin the fuzzer anew from tests/fuzz/requirements.in
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
		tests/fuzz/requirements.in -o tests/fuzz/requirements.lock

.PHONY: fuzz fuzz-lock
