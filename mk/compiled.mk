##@ Compiled
COMPILED := .cache/venv-compiled
SOURCES := $(shell find crds/pilothouse_api operator proxy -name '*.py')
# A distribution's interpreter is built with profile-guided optimisation, as the image's is; one built on the spot rarely
# is. It wants Python's headers, as the compiler does.
COMPILED_PYTHON ?= $(shell for each in /usr/bin/python3 $(PYTHON); do $$each -c 'import pathlib, sys, sysconfig; \
	sys.exit(sys.version_info < (3, 11) or not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' \
	2>/dev/null && echo $$each && break; done)

# GCC alone is trained: another compiler writes its counts in another form.
PROFILE := $(shell $${CC:-cc} -v 2>&1 | grep -q '^gcc version' && echo $(CURDIR)/.cache/profile)

TRAINING := tests/load/train/__main__.py $(addprefix tests/load/bench/,configuration.py payloads.py works.py)

define compile
rm -rf .cache/wheel
PILOTHOUSE_COMPILE=1 PILOTHOUSE_PROFILE=$(PROFILE) \
	$(BIN)/uv build --quiet --wheel --python $(COMPILED)/bin/python --out-dir .cache/wheel .
$(BIN)/uv pip install --quiet --compile-bytecode --reinstall --python $(COMPILED)/bin/python --no-deps .cache/wheel/*.whl
endef

compiled: $(COMPILED)/.installed ## Make the environment with the request path compiled, as the image has it (needs cc)

$(COMPILED)/.installed: pyproject.toml hatch_build.py requirements.lock $(TRAINING) $(SOURCES) $(VENV)/.installed
	@command -v $${CC:-cc} >/dev/null || { echo "compiling needs a C compiler: install gcc, or name yours in CC"; exit 1; }
	@test -n "$(COMPILED_PYTHON)" || { echo "compiling needs Python's headers: install python3-dev, or name an interpreter that has them in COMPILED_PYTHON"; exit 1; }
	$(BIN)/uv venv --quiet --clear --python "$$($(COMPILED_PYTHON) -c 'import sys; print(sys.executable)')" $(COMPILED)
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(COMPILED)/bin/python requirements.lock
	rm -rf .cache/profile
	$(compile)
	$(if $(PROFILE),$(COMPILED)/bin/python -m tests.load.train)
	$(if $(PROFILE),$(compile))
	touch $@

test-compiled: compiled ## The tests of the proxy once more, with the request path compiled
	$(COMPILED)/bin/python -m pytest tests/unit/proxy tests/golden tests/integration/proxy -q -n 2

.PHONY: compiled test-compiled
