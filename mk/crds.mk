##@ Generated files
crds: setup ## Write the CRDs (crds/*.yaml and the chart's copies) from the types
	$(BIN)/python mk/generate.py crds

docs: setup ## Write the reference pages (docs/reference) from the types, and docs/providers.md from what the code does
	$(BIN)/python mk/generate.py docs
	$(BIN)/python -m tests.conformance --write

crds-check: setup ## Fail when the CRDs are not what the types say
	$(BIN)/python mk/generate.py crds --check

docs-check: setup ## Fail when the reference pages are not what the types say
	$(BIN)/python mk/generate.py docs --check
	$(BIN)/python -m tests.conformance --check

.PHONY: crds docs crds-check docs-check
