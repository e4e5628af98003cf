# The two commands of a newcomer: `make run`, and `make test`. `make` alone lists the others.

SHELL := /bin/bash
PYTHON := .venv/bin/python
# Of pytest. With one, the tests run in the order of their files: `make test PROCESSES=1`.
PROCESSES := 2
# What became of the commands of the pages; written also when a test failed.
TABLE := build/documented-commands.md
SETTINGS := pyproject.toml requirements/build.txt scripts/venv

.PHONY: help run test fresh brokers suricata fault-table sensor-table chaos questions holes refinements crowds attacks cluster fuzz fuzz-services check format bench requirements wheel deb image demo-traffic screenshots clean

help:
	@echo "make run           try Docket: two sample interfaces, then open the address that it prints"
	@echo "make test          install what the tests need and run them all"
	@echo "make fresh         both of them, and make check, in a pristine Debian made for it (as root; RELEASE=trixie for another)"
	@echo "make brokers       the tests of the bus on RabbitMQ 3.10, 4.0 and 4.3 (as root)"
	@echo "make suricata      a real Suricata of Debian 13: asked while it writes, and its alerts become packets (as root)"
	@echo "make fault-table   show what becomes of every fault (SEED=… repeats a run)"
	@echo "make sensor-table  run every command of the pages on a sensor with a real systemd, and show what happened (as root)"
	@echo "make chaos         kill services at random under 200 jobs, three times (SEED=… repeats a run)"
	@echo "make cluster       kill one of three RabbitMQ nodes in mid-job, twenty times"
	@echo "make fuzz          a million random texts and 2,000 random questions, some twenty minutes"
	@echo "make attacks       every attack of every role, carried out, and what became of it"
	@echo "make crowds        one user with thousands of jobs and sockets, and how long another one waits"
	@echo "make fuzz-services 100,000 spoiled messages on the bus, and requests over HTTP (CASES=…, SEED=…)"
	@echo "make questions     2,000 questions to directories of real recorders, and 200 between kills (SEED=… repeats a run)"
	@echo "make holes         2,000 captures with random holes, clocks and damage: what is called whole is whole (CASES=…, SEED=…)"
	@echo "make refinements   500 random refinements against tcpdump, tshark and editcap (REFINEMENTS=…, SEED=…)"
	@echo "make check         formatting, lint, types"
	@echo "make format        format the code, and wrap the prose"
	@echo "make bench         measure against curl and mergecap in the same run"
	@echo "make wheel         build dist/docket-*.whl"
	@echo "make deb           build dist/docket_*.deb, the package for Debian"
	@echo "make image         build the container image localhost/docket with podman or docker"
	@echo "make requirements  pin the newest allowed versions"
	@echo "make demo-traffic  record the sample traffic again (as root; see docket/demo/README.md)"
	@echo "make screenshots   take the pictures of docs/img again; look at them before you commit them"
	@echo "make clean         remove all that was made here"

run: .venv/.run
	@scripts/packages run
	@.venv/bin/docket run --demo

test: .venv/.test
	@scripts/packages test
	$(PYTHON) -m pytest -n $(PROCESSES) --no-loadscope-reorder $(TESTS)

fresh:
	@scripts/pristine scripts/newcomer

brokers: .venv/.test
	@scripts/brokers

suricata: .venv/.test
	@scripts/packages test
	@scripts/suricata

fault-table: .venv/.test
	@scripts/packages test
	$(PYTHON) -m tests.faults.table

sensor-table: .venv/.test
	@scripts/packages test
	@rm -f $(TABLE)
	@CI=true $(PYTHON) -m pytest -n0 -q tests/deploy/test_sensor.py; code=$$?; cat $(TABLE); exit $$code

chaos: .venv/.test
	@scripts/packages test
	$(PYTHON) -m tests.chaos

cluster: .venv/.test
	@scripts/packages test
	BLOWS=20 $(PYTHON) -m pytest -n 0 tests/e2e/test_cluster.py

fuzz: .venv/.test
	FUZZ=15 QUESTIONS=2000 $(PYTHON) -m pytest -n $(PROCESSES) --timeout 3000 \
		tests/domain/query/test_query_fuzz.py tests/index/test_whole_language.py

fuzz-services: .venv/.test
	@scripts/packages test
	$(PYTHON) -m tests.fuzz

attacks: .venv/.test
	@scripts/packages test
	$(PYTHON) -m tests.attacks

crowds: .venv/.test
	@scripts/packages test
	$(PYTHON) -m tests.fairness

questions: .venv/.test
	@scripts/packages test
	QUESTIONS=2000 KILLS=200 $(PYTHON) -m pytest -n0 --timeout=0 tests/index/test_recorded.py

holes: .venv/.test
	CASES=$${CASES:-2000} $(PYTHON) -m pytest -n0 --timeout=0 tests/holes

refinements: .venv/.test
	@scripts/packages test
	REFINEMENTS=$${REFINEMENTS:-500} $(PYTHON) -m pytest -n0 --timeout=0 tests/refinements

check: .venv/.test
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-logo --no-cache
	scripts/words
	scripts/wrap --check
	$(PYTHON) -m tools.advisories requirements/*.txt

format: .venv/.test
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .
	scripts/wrap

bench: .venv/.test
	@scripts/packages test
	$(PYTHON) -m bench

wheel: .venv/.test
	$(PYTHON) -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist

deb: .venv/.test
	@scripts/deb

image:
	$$(command -v podman || command -v docker) build --tag localhost/docket --file deploy/container/Containerfile .

requirements: .venv/.test
	scripts/pin

demo-traffic: .venv/.run
	$(PYTHON) -m tools.demo_traffic.record

screenshots: .venv/.test
	@scripts/packages test
	$(PYTHON) -m tests.browser.screenshots docs/img

clean:
	rm -rf .venv .demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are written last, so that an interrupted installation is completed the next time.
.venv/.run: requirements/run.txt $(SETTINGS)
	@scripts/venv run
	@touch $@

.venv/.test: requirements/test.txt $(SETTINGS)
	@scripts/venv test
	@touch $@ .venv/.run
