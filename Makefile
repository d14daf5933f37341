# The two commands: `make demo` shows Portcullis at work, `make test` proves it.
# Both install what a fresh Debian machine with Rust lacks, and say so.

CARGO ?= cargo

.PHONY: help demo test build lint unit oracles dist deb advisories bench

help:
	@echo 'make demo    build, then run the gateway with its embedded user pool and two echo targets'
	@echo 'make test    everything that CI runs: format, lints, unit and gateway tests, foreign oracles'
	@echo 'make dist    the binary for packages, its list of crates (CycloneDX) and digests (fat LTO; slow)'
	@echo 'make deb     a Debian package: that binary, its list of crates, systemd unit, manual page and completions'
	@echo 'make advisories    crates with known vulnerabilities, by the database of RustSec: before each release'
	@echo 'make bench   side by side with HAProxy, nginx and Envoy; see bench/README.md'

demo:
	@scripts/prepare build
	@echo '==> building the gateway (the first build takes about eight minutes on two cores)'
	$(CARGO) build --release --locked
	@exec $${CARGO_TARGET_DIR:-target}/release/portcullis demo routes.yaml

test: lint unit oracles

lint:
	@scripts/prepare build python
	@echo '==> format, lints, licences and sources of crates'
	$(CARGO) fmt --check
	scripts/deny
	$(CARGO) clippy --locked --all-targets -- --deny warnings

unit:
	@scripts/prepare build tests
	@echo '==> unit and gateway tests (the first build takes about six minutes on two cores)'
	$(CARGO) test --locked

oracles:
	@scripts/prepare build oracles
	@echo '==> judged by programs that are not ours'
	tests/oracles/run

dist:
	@scripts/prepare build python
	scripts/dist

deb:
	@scripts/prepare build python
	scripts/package

advisories:
	@scripts/prepare python
	scripts/deny advisories

bench:
	@scripts/prepare build
	bench/run
