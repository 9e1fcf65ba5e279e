# Everything one does with this repository. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The tool builds take all cores and much memory each: one after the other, even with -j.
.NOTPARALLEL:
.SUFFIXES:

BIN := $(CURDIR)/bin
export PATH := $(BIN):$(PATH)
# Where the tests find switchyard, the Packer plugin and the programs they run.
export SWITCHYARD_BIN := $(BIN)

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

# The programs Switchyard runs, and the ones that only check and generate its code.
RUN_TOOLS := caddy packer temporal
AWS_TOOLS := packer-plugin-amazon
DEV_TOOLS := packer-sdc workflowcheck golangci-lint

# More arguments for `make demo` and `make dev`, as in: make demo ARGS=--keep
ARGS ?=

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: run-tools build ## four releases under load on this machine: switch, soak, rollback (ARGS=--keep leaves it running)
	bin/switchyard demo $(ARGS)

.PHONY: demo-aws
demo-aws: run-tools aws-tools moto build ## the same story on AWS's API: AMIs, Auto Scaling groups and a load balancer, played on this machine
	bin/switchyard demo --platform aws $(ARGS)

.PHONY: dev
dev: run-tools build ## Temporal with its UI, the local cloud and a worker, until Ctrl-C
	bin/switchyard dev $(ARGS)

.PHONY: build
build: ## bin/switchyard and bin/packer-plugin-switchyard
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/ ./cmd/switchyard ./cmd/packer-plugin-switchyard
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" -o examples/checkout/packer/app/bin/ ./examples/checkout
	@mkdir -p examples/checkout/packer/aws/bin && cp examples/checkout/packer/app/bin/checkout examples/checkout/packer/aws/bin/

.PHONY: test
test: run-tools aws-tools moto build browser prometheus postgresql ## all tests with the race detector, except test-kill, test-faults, test-judging and test-promises
	go test -race -timeout 20m ./...

# go test prints its own verdict after the last test's output; the count is told once
# more so that it is the last line, and a run without it, or with a loss, fails.
.PHONY: test-kill
test-kill: run-tools build ## a release per activity, its worker killed (SIGKILL) at the start and at the end of it
	@log=bin/.test-kill.log; \
	go test -race -tags kill -count 1 -parallel 4 -timeout 30m -v -run TestKill ./test/e2e/... 2>&1 | tee $$log; \
	kills=$$(grep -oE 'kills: [0-9]+ tried, [0-9]+ survived' $$log | tail -n 1 || true); \
	[ -n "$$kills" ] || { echo "test-kill: no line 'kills: N tried, N survived' in the output: nothing was tried" >&2; exit 1; }; \
	echo "$$kills" | awk '{ exit !($$2 > 0 && $$2 == $$4) }' || { echo "test-kill: not every kill was survived: $$kills" >&2; exit 1; }; \
	echo "$$kills"

# Without the race detector: the releases run in processes of their own.
.PHONY: test-faults
test-faults: run-tools aws-tools moto build ## a release on AWS per changing call and trouble: throttled, failed, no answer, killed, stale
	@log=bin/.test-faults.log; \
	go test -tags faults -count 1 -timeout 30m -v -run TestFaults ./test/aws/... 2>&1 | tee $$log || true; \
	faults=$$(grep -oE 'faults: [0-9]+ tried, [0-9]+ survived' $$log | tail -n 1 || true); \
	[ -n "$$faults" ] || { echo "test-faults: no line 'faults: N tried, N survived' in the output: nothing was tried" >&2; exit 1; }; \
	echo "$$faults" | awk '{ exit !($$2 > 0 && $$2 == $$4) }' && grep -q '^ok ' $$log || { echo "test-faults: not every fault was survived: $$faults" >&2; exit 1; }; \
	echo "$$faults"

# Without the race detector: the releases run in processes of their own.
.PHONY: test-judging
test-judging: run-tools moto build prometheus postgresql ## stories of releases that are judged, under load: strategies, bad versions, rollback, migrations, freezes
	@log=bin/.test-judging.log; \
	go test -tags judging -count 1 -timeout 20m -v ./test/judging/... 2>&1 | tee $$log || true; \
	stories=$$(grep -oE 'judging: [0-9]+ stories, [0-9]+ passed' $$log | tail -n 1 || true); \
	[ -n "$$stories" ] || { echo "test-judging: no line 'judging: N stories, N passed' in the output: nothing was told" >&2; exit 1; }; \
	echo "$$stories" | awk '{ exit !($$2 > 0 && $$2 == $$4) }' && grep -q '^ok ' $$log || { echo "test-judging: not every story passed: $$stories" >&2; exit 1; }; \
	echo "$$stories"

# Without the race detector, which would take most of the time.
.PHONY: test-promises
test-promises: ## ten thousand random schedules of a release against the promises of the design, and a mistake against each promise
	@mkdir -p bin; log=bin/.test-promises.log; \
	go test -tags promises -count 1 -timeout 30m -v ./test/promises/ -rapid.nofailfile 2>&1 | tee $$log || true; \
	promises=$$(grep -oE 'promises: [0-9]+ schedules, [0-9]+ broken' $$log | tail -n 1 || true); \
	[ -n "$$promises" ] || { echo "test-promises: no line 'promises: N schedules, M broken' in the output: nothing was played" >&2; exit 1; }; \
	echo "$$promises" | awk '{ exit !($$2 >= 10000 && $$4 == 0) }' && grep -q '^ok ' $$log || { echo "test-promises: a promise was broken, a mistake was not caught, or too little was played: $$promises" >&2; exit 1; }; \
	echo "$$promises"

.PHONY: lint
lint: dev-tools ## golangci-lint, vet, workflowcheck, generated files and go.mod up to date
	golangci-lint run ./...
	go vet ./...
	go vet -tags kill,record,faults,judging,promises ./test/...
	workflowcheck ./workflows/...
	tools/check-generated
	go mod tidy -diff

.PHONY: fmt
fmt: dev-tools ## format the code the way lint wants it
	golangci-lint fmt ./...

.PHONY: generate
generate: dev-tools ## the generated files: HCL specs of the plugin, JSON Schema, spec reference
	go generate ./...

.PHONY: tools
tools: run-tools dev-tools ## every tool in bin/: from PATH where the version fits, else built from the module proxy

.PHONY: run-tools
run-tools:
	@tools/ensure $(RUN_TOOLS)

.PHONY: aws-tools
aws-tools: ## Packer's amazon plugin in bin/, for images on AWS
	@tools/ensure $(AWS_TOOLS)

.PHONY: dev-tools
dev-tools:
	@tools/ensure $(DEV_TOOLS)

.PHONY: browser
browser: ## the Chromium of the browser test: installs it as root on Debian, else says how
	@tools/browser

.PHONY: prometheus
prometheus: ## the Prometheus that tests ask: installs it as root on Debian, else says how
	@tools/prometheus

.PHONY: postgresql
postgresql: ## the PostgreSQL that tests start: installs it as root on Debian, else says how
	@tools/postgresql

.PHONY: moto
moto: ## the AWS emulator of tests and of the AWS lab, in .venv
	@tools/moto/install

.PHONY: clean
clean: ## remove bin/ and the state of dev and demo (.switchyard/)
	rm -rf bin .switchyard
