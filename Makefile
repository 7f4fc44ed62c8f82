# The commands of this project. `make` or `make help` lists them.

FUZZ_SECONDS ?= 600

.DEFAULT_GOAL := help
.PHONY: help demo test test-long check fuzz bench bench-micro

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Build the gateway and show it at work
	cargo build --release --locked -p countersign
	exec target/release/countersign demo

test: ## Install what tests need, then run checks and tests (what CI runs)
	scripts/setup
	scripts/test

test-long: ## Everything, with the tests that take long, and ten minutes of fuzzing per target
	scripts/setup
	COUNTERSIGN_LONG=1 scripts/test
	FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz

check: ## The fast half of `make test`: formatting, lints, structure, dependencies
	scripts/check/all

bench: ## Measure beside Envoy, HAProxy and nginx, and write docs/benchmarks.md; WORKLOAD=a,b: only these, only printed
	scripts/setup bench
	scripts/bench/bench $(WORKLOAD)

bench-micro: ## Measure parts alone: tokens, route lookup, decision, header rewriting (criterion)
	cargo bench --locked -p countersign-jose -p countersign-core

fuzz: ## Fuzz each target for FUZZ_SECONDS (600)
	FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz
