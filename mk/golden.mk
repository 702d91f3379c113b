golden: setup ## Write the golden files anew; judge the difference before committing it
	$(BIN)/pytest tests/golden -q --write-golden
	@git --no-pager diff --stat -- tests/golden

.PHONY: golden
