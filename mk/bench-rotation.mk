bench-rotation: control-plane ## Every kind of credential rotated while 200 requests a second flow; the last line is JSON
	$(BIN)/python -m tests.load.rotation
.PHONY: bench-rotation
