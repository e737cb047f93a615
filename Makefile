# make demo   train the Swiss roll and a small MNIST model, and write one page about them
# make test   the whole test suite, on two processes
# make test-gpu   what a CUDA GPU does otherwise, beside what it does step by step
# make coverage   the same, with the lines that it runs: at least 90 in 100 (a fifth slower)
# make check  format, lint, types, import direction and the fast tests, in under two minutes
# make docs       the book: docs/_build/html/index.html, with the mathematics and the reference (half a minute)
# make notebooks  run the guided tour and keep what it shows (ten minutes)
# make pictures   the figures of both papers, drawn anew for the book and the README (two minutes)
# make choices    K's implementation choices on the Swiss roll, three seeds each (50 minutes; goes on where stopped)
# make unpredictability  how much x_T and x_t decide, and interpolation with depth (half an hour; goes on where stopped)
# make mutants    break every formula once and name the test that notices (docs/mutants.md)
# make soak       the tests that take minutes: twenty kills of a training run
# make parity     our solvers' trajectories beside diffusers', in float64
# make bench      our speed beside the peers', in turn in one run (benchmarks/README.md); bench-gpu: the same on CUDA
# make digits     train the classifier that judges digits (ten minutes of two threads)
# make shipped    train the digits that come with the package and judge them (an hour and a half; goes on where stopped)
# make precision  the fast paths' gradients and training curves beside plain float32's (fifteen minutes)
# make quality    ours and the peers after 10 and 60 minutes of training each (nine hours; goes on where stopped)
# make few-steps  every solver at 3 to 20 calls beside the chain of 1,000 on the digits (three hours; goes on where stopped)
# make distil     digits in four network calls and in one, from those that come with the package (an hour; goes on)
# make memorise   does the judge tell what is memorised from what is not (half an hour; goes on where stopped)
# make steering   what observations and guidance do: biases beside the peers', digits filled, the curve over weights
# make upscaling FLOWERS=DIR  small pictures made large, and cascades, on digits and a folder of photographs (goes on)
# make bench-pde  steps of the PDE a second beside a NumPy loop over fields (a minute)
# make backward   the learned backward map of the PDE beside the exact posterior, and its trial (fifteen minutes)
# make swissroll  train the Swiss-roll recipes from scratch and judge them (benchmarks/results/)
PYTHON ?= python3
VENV := .venv
FLOWERS ?= flowers
BIN := $(VENV)/bin
PEERS := .venv-peers
# One thread a process: two processes with two threads each would wait for one another.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: demo test test-gpu coverage check docs notebooks pictures choices unpredictability format clean mutants soak digits shipped precision few-steps distil memorise bench-pde backward steering upscaling quality parity swissroll bench bench-gpu
demo: $(VENV)/.core
	$(BIN)/fromnoise demo --out demo

test: $(VENV)/.dev
	$(PYTEST) -m "not soak and not parity"

test-gpu: $(VENV)/.dev
	$(BIN)/python -c "import sys, torch; sys.exit(None if torch.cuda.is_available() else 'there is no CUDA GPU here')"
	FROMNOISE_TEST_GPU=1 $(BIN)/python -m pytest tests/test_gpu.py

coverage: $(VENV)/.dev
	$(PYTEST) -m "not soak and not parity" --cov --cov-report=term-missing:skip-covered --cov-fail-under=90

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -m "not slow and not soak and not parity" --timeout=60

docs: $(VENV)/.docs
	rm -rf docs/_build
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -b html -d docs/_build/doctrees -W --keep-going -q docs docs/_build/html
	@echo "the book: docs/_build/html/index.html"

notebooks: $(VENV)/.dev
	$(BIN)/python notebooks/make.py

pictures: $(VENV)/.core
	$(BIN)/python docs/make_figures.py

choices: $(VENV)/.dev
	$(BIN)/python benchmarks/choices.py

unpredictability: $(VENV)/.dev
	$(BIN)/python benchmarks/unpredictability.py

mutants: $(VENV)/.dev
	$(BIN)/python tests/mutants.py
	$(BIN)/python docs/make_formulas.py

soak: $(VENV)/.dev
	$(PYTEST) -m soak --timeout=3600

swissroll: $(VENV)/.dev
	$(BIN)/python benchmarks/swissroll.py swissroll --json benchmarks/results/swissroll.json
	$(BIN)/python benchmarks/swissroll.py swissroll-kuras --json benchmarks/results/swissroll-kuras.json

digits: $(VENV)/.dev
	$(BIN)/python benchmarks/train_digits.py --json benchmarks/results/digits.json

shipped: $(VENV)/.dev
	$(BIN)/python benchmarks/shipped.py --json benchmarks/results/mnist.json

precision: $(VENV)/.dev
	$(BIN)/python benchmarks/precision.py

few-steps: $(VENV)/.dev
	$(BIN)/python benchmarks/few_steps.py

distil: $(VENV)/.dev
	$(BIN)/python benchmarks/distil.py

memorise: $(VENV)/.dev
	$(BIN)/python benchmarks/memorise.py

bench-pde: $(VENV)/.dev
	$(BIN)/python benchmarks/bench_pde.py

backward: $(VENV)/.dev
	$(BIN)/python benchmarks/backward.py

steering: $(PEERS)/.done
	$(PEERS)/bin/python benchmarks/observations.py
	$(PEERS)/bin/python benchmarks/restoring.py
	$(PEERS)/bin/python benchmarks/guidance.py
	$(PEERS)/bin/python benchmarks/uses.py
	$(PEERS)/bin/python benchmarks/adapters.py
	$(PEERS)/bin/python benchmarks/outliers.py
	$(PEERS)/bin/python benchmarks/augmenting.py --trials 3
	$(PEERS)/bin/python docs/make_studies.py

upscaling: $(PEERS)/.done
	$(PEERS)/bin/python benchmarks/upscaling.py --flowers $(FLOWERS)

quality: $(PEERS)/.done
	$(PEERS)/bin/python benchmarks/quality.py

parity: $(PEERS)/.done
	OMP_NUM_THREADS=1 $(PEERS)/bin/python -m pytest tests/parity -m parity

bench: $(PEERS)/.done
	$(PEERS)/bin/python benchmarks/bench.py --device cpu

bench-gpu: $(PEERS)/.done
	$(PEERS)/bin/python benchmarks/bench.py --device cuda --compile

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(PEERS) demo docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

$(VENV)/.docs: $(VENV)/.core
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $@

$(PEERS)/.done: pyproject.toml constraints.txt benchmarks/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --constraint constraints.txt torch --editable .
	$(PEERS)/bin/python -m pip install --quiet --constraint constraints.txt pytest pytest-timeout hypothesis
	$(PEERS)/bin/python -m pip install --quiet --no-deps --requirement benchmarks/peers.txt
	touch $@
