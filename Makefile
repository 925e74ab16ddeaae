# make serve, make test, make check: each creates the environment if need be.

HOST ?= 127.0.0.1
PORT ?= 8000
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: serve test check clean

serve: $(INSTALLED)
	@$(BIN)/python manage.py migrate --verbosity 0
	@ALLOWED_HOSTS=$${ALLOWED_HOSTS:-$(HOST),localhost,127.0.0.1,[::1]} \
		$(BIN)/python manage.py serve $(HOST):$(PORT)

# Three processes, on however few cores: much of what they do is to wait.
test: $(INSTALLED)
	@$(BIN)/pytest --numprocesses 3 --dist loadscope --no-loadscope-reorder $(ARGS)

check: $(INSTALLED)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

clean:
	rm -rf .venv

# The first Python on PATH that is new enough makes the environment.
$(INSTALLED): pyproject.toml
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			found=$$python; break; \
		fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "This needs Python 3.11 or newer on PATH, as python3 or python3.11 and so on."; exit 1; \
	fi; \
	echo "Creating .venv with $$found: a minute, once."; \
	$$found -m venv --upgrade-deps .venv || { \
		echo "$$found cannot make a virtual environment: on Debian, apt install python3-venv."; exit 1; \
	}
	@$(BIN)/pip install --quiet --editable . --group dev
	@touch $@
