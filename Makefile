# make serve, make test, make check: each first installs what it needs into .venv.

HOST ?= 127.0.0.1
PORT ?= 8000
BIN := .venv/bin

.PHONY: serve test check docs clean environment browser

# What ends make ends the server: make passes SIGTERM on to the server, which has taken the place of
# the shell, Ctrl-C reaches both, and where make is killed, Linux ends the server.
serve: .venv/serve
	@$(BIN)/python manage.py migrate --verbosity 0
	@setpriv --pdeathsig TERM true 2> /dev/null && with_make="setpriv --pdeathsig TERM"; \
	exec $$with_make $(BIN)/python manage.py serve $(HOST):$(PORT)

# Three processes, on however few cores: much of what they do is to wait.
test: .venv/test browser
	@$(BIN)/pytest --numprocesses 3 --dist loadfile $(ARGS)

# Needs what the tests need: mypy reads them, and what they import.
check: .venv/test
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy

# Writes what README and docs/ show of the code and of the committed results.
docs: .venv/test
	@DJANGO_SETTINGS_MODULE=sandbox.settings $(BIN)/python -m tests.test_generated

clean:
	rm -rf .venv

.venv/serve: packages = --editable .
.venv/test: packages = --editable . --group dev $(DJANGO:%='%')

# make test DJANGO='django==5.2.*' installs that Django, which stays until another one is named.
ifdef DJANGO
.PHONY: .venv/test
endif

# uv takes seconds where pip takes a minute. It does not read pip's settings, hence the index.
.venv/serve .venv/test: pyproject.toml | environment
	@echo "Installing into .venv what make $(@F) needs."
	@command -v uv > /dev/null || [ -x $(BIN)/uv ] || \
		$(BIN)/pip install --quiet --only-binary :all: uv || true
	@index=$${PIP_INDEX_URL:-$$($(BIN)/pip config get global.index-url 2> /dev/null)}; \
	UV_DEFAULT_INDEX=$${UV_DEFAULT_INDEX:-$$index} \
		$$(command -v uv || echo $(BIN)/uv) pip install --python $(BIN)/python $(packages) || { \
		echo "uv could not install this. Trying pip, which takes longer."; \
		$(BIN)/pip install --upgrade pip && $(BIN)/pip install $(packages); \
	}
	@touch $@

# The first Python on PATH that is new enough makes the environment.
new_enough := -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null
environment:
	@$(BIN)/python $(new_enough) && { [ -x $(BIN)/pip ] || command -v uv > /dev/null; } && exit; \
	if [ -e .venv ]; then \
		echo ".venv has no working Python 3.11 or newer with pip. To remove it: make clean"; exit 1; \
	fi; \
	for python in python3 python3.14 python3.13 python3.12 python3.11 ""; do \
		$$python $(new_enough) && break; \
	done; \
	if [ -z "$$python" ]; then \
		echo "This needs Python 3.11 or newer on PATH, as python3 or python3.11 and so on."; exit 1; \
	fi; \
	echo "Creating .venv with $$($$python --version)."; \
	$$python -m venv .venv || { \
		rm -rf .venv; \
		echo "$$python cannot make a virtual environment: on Debian, apt install python3-venv."; exit 1; \
	}

# A Chromium of Playwright's, where PATH has none.
browser: .venv/test
	@command -v chromium > /dev/null || command -v chromium-browser > /dev/null || \
	command -v google-chrome > /dev/null || \
	$(BIN)/playwright install --only-shell chromium 2> .venv/browser.log || { \
		grep -m 1 '^Error' .venv/browser.log; \
		echo "There is no Chromium: the tests in a browser are skipped."; \
	}
