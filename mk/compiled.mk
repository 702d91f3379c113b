##@ Compiled
COMPILED := .cache/venv-compiled
SOURCES := $(shell find crds/pilothouse_api operator proxy -name '*.py')

compiled: $(COMPILED)/.installed ## Make the environment with the request path compiled, as the image has it (needs cc)

$(COMPILED)/.installed: pyproject.toml hatch_build.py requirements.lock $(SOURCES) $(VENV)/.installed
	@command -v $${CC:-cc} >/dev/null || { echo "make compiled needs a C compiler: install gcc, or name yours in CC"; exit 1; }
	test -x $(COMPILED)/bin/python || $(BIN)/python -m venv --without-pip $(COMPILED)
	$(BIN)/uv pip sync --quiet --python $(COMPILED)/bin/python requirements.lock
	rm -rf .cache/wheel
	PILOTHOUSE_COMPILE=1 $(BIN)/uv build --quiet --wheel --python $(BIN)/python --out-dir .cache/wheel .
	$(BIN)/uv pip install --quiet --python $(COMPILED)/bin/python --no-deps --reinstall-package pilothouse .cache/wheel/*.whl
	touch $@

test-compiled: compiled ## The tests of the proxy once more, with the request path compiled
	PYTHONPATH=$(CURDIR) $(COMPILED)/bin/python -m pytest tests/unit/proxy tests/golden tests/integration/proxy -q -n 2

.PHONY: compiled test-compiled
