# Each target is one line on purpose: what it does lives in tools/, so that Windows (run.bat, test.bat) does the same.
PYTHON ?= $(shell command -v python3.11 || command -v python3 || command -v python)
ARGS ?=

.PHONY: run test quick doctor bench lock clean install

run:      ## open the desktop; ARGS="coin" and the like are passed on
	@$(PYTHON) tools/bootstrap.py run $(ARGS)

test:     ## everything CI runs; ARGS="--only tests" and the like are passed on
	@$(PYTHON) tools/bootstrap.py test $(ARGS)

quick:    ## lint, types and import floors only
	@$(PYTHON) tools/bootstrap.py test --quick

doctor:   ## what this machine lacks, and how to get it
	@$(PYTHON) tools/doctor.py

bench:    ## every bar of research as a ratio, peers beside it; ARGS="--only best,sweep" and the like are passed on
	@$(PYTHON) tools/bootstrap.py bench $(ARGS)

install:  ## the environment only
	@$(PYTHON) tools/bootstrap.py install

lock:     ## developers, needs uv: requirements/*.in -> requirements/lock.txt
	@$(PYTHON) tools/bootstrap.py lock $(ARGS)

clean:    ## the environment and caches; never _database/ but its cache
	@$(PYTHON) tools/bootstrap.py clean
