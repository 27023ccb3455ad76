.PHONY: demo test lint unit e2e docs clean
VENV := .venv/bin

# The main job on two small real models: about ten minutes on two cores, set-up included; again: five seconds.
demo:
	@.ci/setup demo
	@suffix=; judge=; \
	if [ "$$(cat .venv/.engine)" = transformers ]; then suffix=-transformers; judge="--judge examples/judge-transformers.yaml"; fi; \
	$(VENV)/evalkit compare examples/base$$suffix.yaml examples/tuned$$suffix.yaml $$judge --out runs/demo; code=$$?; \
	case $$code in 0|1|3) echo; echo "The report: $$PWD/runs/demo/report.html";; *) exit $$code;; esac

# Everything: style, types, unit tests, and tests/e2e on the real engines.
test:
	@.ci/setup test
	@$(MAKE) --no-print-directory lint
	$(VENV)/pytest -m e2e -n 2 --dist loadfile
	$(VENV)/pytest -m "not e2e" -n 2 --dist loadfile

lint:
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/pyright --pythonpath $(VENV)/python
	@if command -v node > /dev/null && command -v tsc > /dev/null; then $(VENV)/pytest -q tests/report/test_scripts.py; \
	else echo "no tsc: the types of reports/*.js are not checked (npm install --global typescript)"; fi

# The tests that need no engine and no browser: seconds.
unit:
	@.ci/setup test
	$(VENV)/pytest -m "not e2e and not browser" -n 2 --dist loadfile

e2e:
	@.ci/setup test
	$(VENV)/pytest -m e2e -n 2 --dist loadfile

# The documentation as a site, in site/; needs no network, and its pages neither. For its search, serve it:
# python -m http.server --directory site --bind 127.0.0.1
docs:
	@.ci/setup test
	NO_MKDOCS_2_WARNING=1 $(VENV)/mkdocs build
	@echo "The documentation: $$PWD/site/index.html"

clean:
	rm -rf .venv runs dist build site examples/models .pytest_cache .ruff_cache
