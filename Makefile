# `make` alone prints the list.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# One build directory outside the checkout serves every target, so that a fresh clone does not compile RocksDB again.
export CARGO_TARGET_DIR ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/aurum/target

.PHONY: help setup setup-test build up down test e2e fmt lint bench docs deny contracts docker-test clean

help: ## Print this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/' | expand -t 22

setup: ## Install what building needs: a C/C++ compiler, pkg-config, libclang (Debian/Ubuntu packages), and Rust if absent
	@tests/setup build

setup-test: ## Install what the tests need besides: Node packages with anvil, cast, forge, solc; Chromium; cargo-nextest
	@tests/setup test

build: setup ## Build the release binaries
	cargo build --release --locked --bins

up: build ## Start the whole system (home chain, stand-in for the public chain, bridge, pages) and print what to try
	@"$(CARGO_TARGET_DIR)/release/devnet" up

down: ## Stop what `make up` started; its data stays
	@"$(CARGO_TARGET_DIR)/release/devnet" down

clean: down ## Stop it and delete its data
	rm -rf .aurum

test: setup-test ## Everything CI runs: format, lints, docs, unit, contract and end-to-end tests
	@tests/run all

e2e: setup-test ## Only the stories over real processes
	@tests/run e2e

fmt: ## Format Rust, and Solidity where the Node packages are installed
	cargo fmt --all
	cargo fmt --manifest-path contracts/compile/Cargo.toml
	@[ ! -x contracts/node_modules/.bin/forge ] || (cd contracts && node_modules/.bin/forge fmt)

lint: setup-test ## Clippy with warnings as errors, formatting, licenses
	@tests/run lint

bench: build setup-test ## Measure the node beside anvil; EXPERIMENTS="single four", REPEAT=3, N=100000, LONG=--long
	cargo build --release --locked --package aurum-tests --bin bench
	@AURUM_BIN_DIR="$(CARGO_TARGET_DIR)/release" "$(CARGO_TARGET_DIR)/release/bench" run $(EXPERIMENTS) --repeat $(or $(REPEAT),3) --n $(or $(N),100000) $(LONG)
	@"$(CARGO_TARGET_DIR)/release/bench" report

docs: ## API documentation, warnings as errors
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps

deny: setup-test ## Licenses, bans and sources of all dependencies
	cargo deny check licenses bans sources

contracts: setup-test ## Compile the contracts again and rewrite contracts/artifacts
	cargo run --locked --manifest-path contracts/compile/Cargo.toml

docker-test: ## Build the image and run the compose system once with a Docker engine of its own
	@tests/docker/run
