bench-reconfigure: control-plane ## From apply to live in every proxy, under load, through kills and rotations
	$(BIN)/python -m tests.load.reconfigure
.PHONY: bench-reconfigure
