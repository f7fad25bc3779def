# `make` lists what there is to make.
.DEFAULT_GOAL := help
SHELL := /bin/bash
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

TEST_STAGES := lint sanity unit guest integration corpus fidelity molecule

.PHONY: help setup setup-ceph setup-demo demo demo-clean test test-all $(TEST_STAGES) bench lab lab-destroy lab-shell docs clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what developing and testing needs (packages as root, Python into .venv)
	@tools/setup test

setup-ceph:
	@tools/setup ceph

setup-demo:
	@tools/setup demo

demo: setup-demo ## declare a pool, a vswitch and three VMs on this machine, and boot them
	@examples/demo/run

demo-clean: setup-demo ## remove all that the demo made, and nothing else
	@examples/demo/clean

test: setup ## what CI runs: all but a sample of the scenarios; tests/run STAGE... runs a selection
	@tests/run

test-all: setup setup-ceph ## everything, for hours; goes on where it was stopped (MINUTES=60 ends sooner)
	@tests/run --all $(if $(MINUTES),--minutes $(MINUTES))

lint: setup ## ansible-lint, yamllint, ruff, mypy, shellcheck, documentation and changelog
	@tests/run lint

sanity: setup ## ansible-test sanity
	@tests/run sanity

unit: setup ## the tests without libvirt
	@tests/run unit

guest: setup ## the tiny guest itself, booted
	@tests/run guest

integration: setup ## the tests on a real libvirtd of their own (as root)
	@tests/run integration

corpus: setup ## definitions that other programs and people made: told, declared again, changed
	@tests/run corpus

fidelity: setup ## random declarations: the plan must be what a run does
	@tests/run fidelity

molecule: setup ## a sample of the scenarios in the lab of nested KVM hosts
	@tests/run molecule

bench: setup ## the benchmarks of tests/benchmarks
	@tests/benchmarks/run
	@tests/benchmarks/run inventory
	@.venv/bin/python tests/benchmarks/migration.py
	@.venv/bin/python tests/benchmarks/port_groups.py
	@tests/benchmarks/run storage
	@tests/benchmarks/run backup

lab: setup ## start a lab of nested KVM hosts to play in
	@tools/lab create

lab-destroy: setup ## remove that lab
	@tools/lab destroy

lab-shell: HOST ?= kvm1
lab-shell: setup ## a shell on a lab host: make lab-shell HOST=kvm2
	@tools/lab shell $(HOST)

docs: setup ## the collection's documentation as HTML, in docs/_build
	@tools/build-docs

clean: ## remove what builds and tests left, but neither .venv nor cached images
	@rm -rf .ansible docs/_build .cache/test-logs .cache/pytest .cache/ruff .cache/mypy
