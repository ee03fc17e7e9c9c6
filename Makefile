# Every target is one line that can be typed as it is, on Windows too (there `python` is often `py`).
PYTHON ?= python3
UNIVERSAL = --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header --no-annotate
# Extras that results depend on: every stage has their pins among its dependencies.
RESULTS = --extra duckdb --extra lightgbm --extra xgboost --extra catboost --extra tabm --extra keras --extra tensorflow

help:             ## list the targets
	@$(PYTHON) -c "import re; [print('make', name.ljust(8), text) for name, text in re.findall(r'^(\w+):\s+## (.+)', open('Makefile', encoding='utf-8').read(), re.M)]"

repro:            ## set up the environment if needed, then run what has changed
	$(PYTHON) bootstrap.py dvc repro

test:             ## set up the environment if needed, then run the tests
	$(PYTHON) bootstrap.py pytest -n auto --dist loadfile

lint:             ## style, types, lock files
	$(PYTHON) bootstrap.py pre-commit run --all-files

pins:             ## resolve the exact versions again after a change in pyproject.toml
	$(PYTHON) bootstrap.py uv pip compile -q $(UNIVERSAL) $(RESULTS) pyproject.toml -o constraints.txt
	$(PYTHON) bootstrap.py uv pip compile -q $(UNIVERSAL) --extra dvc --extra search --extra serve --extra excel --extra stats --extra duckdb --extra dev -c constraints.txt pyproject.toml -o constraints-dev.txt
	$(PYTHON) bootstrap.py uv pip compile -q $(UNIVERSAL) --extra dvc --extra search --extra serve --extra excel --extra stats --extra dev --extra slurm --extra ray --extra postgres --extra s3 --extra stores --extra servers $(RESULTS) -c constraints-dev.txt pyproject.toml -o constraints-scale.txt

scale:            ## add SLURM, Ray, PostgreSQL, remotes, models (docs/scale-out.md)
	$(PYTHON) bootstrap.py uv pip install -q -c constraints-scale.txt -e .[slurm,ray,postgres,s3,stores,servers,lightgbm,xgboost,catboost,tabm,keras,tensorflow]

show:             ## compare all runs: score, money, data, what differs
	$(PYTHON) bootstrap.py python src/cairn board

sbom:             ## write sbom.json, a CycloneDX list of every pinned package
	$(PYTHON) bootstrap.py uv tool run -q --from cyclonedx-bom==7.3.0 cyclonedx-py requirements constraints-dev.txt --pyproject pyproject.toml --output-reproducible --sv 1.6 -o sbom.json

.PHONY: help repro test lint pins scale show sbom
