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

prices: setup ## Write what is known of models at large (discovery/prices.json) from genai-prices
	$(BIN)/python mk/prices.py

prices-check: setup ## Fail when that table is not what genai-prices says
	$(BIN)/python mk/prices.py --check

.PHONY: crds docs prices crds-check docs-check prices-check
