# Everything a person or CI runs here is a target; each says what it does (make help).
GO ?= go
export CGO_ENABLED ?= 0
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help demo build check test race bench scale soak live fuzz lint deploy image release generate

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  \1\t\2/' | expand -t 14

demo: ## play the real story on an embedded GitHub: no account, no network but Go modules
	@echo 'Building; the first time takes a minute or two.' >&2
	@$(GO) run ./cmd/relbot demo $(ARGS)

build: ## build the static binary ./relbot
	$(GO) build -trimpath -ldflags "-s -w -X main.revision=$(COMMIT)" -o relbot ./cmd/relbot

check: ## gofmt, vet, and the tests that need nothing installed: under a minute on two cores
	@.ci/format
	$(GO) vet ./...
	$(GO) test -short $$($(GO) list -f '{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}' ./internal/... | grep -vE 'pgtest|chromedp' | cut -d' ' -f1)
	$(GO) run ./cmd/relbot simulate scenarios/life-cycle.yml scenarios/hold-and-resume.yml scenarios/lost-answers.yml

test: ## run all tests, on SQLite and on a PostgreSQL server (installed when none is given by RELBOT_TEST_POSTGRES), and the pages in a browser
	@.ci/postgres
	@.ci/chromium
	@.ci/need strace strace
	@.ci/need jq jq
	$(GO) test -timeout 30m ./...

race: ## run the tests of the concurrent packages under the race detector
	@.ci/postgres
	@.ci/chromium
	CGO_ENABLED=1 $(GO) test -race -short -timeout 30m ./internal/store/... ./internal/job/... ./internal/webhook/... ./internal/publish/... ./internal/ghsim/... ./internal/ghapp/... ./internal/dashboard/... ./internal/server/...

bench: ## run the benchmarks
	@.ci/postgres
	@.ci/need rg ripgrep
	@.ci/probot >/dev/null
	$(GO) test -run '^$$' -bench . -benchmem -timeout 60m ./...

scale: ## simulate an organisation with 1,000 couplings and 20,000 open pull requests; prints the table of docs/scaling.md
	$(GO) test ./cmd/relbot -count 1 -timeout 3h -v -run 'TestScale$$' -scale

soak: ## send 200 deliveries a second for half an hour (SOAK=30m)
	$(GO) test ./cmd/relbot -count 1 -timeout 2h -v -run 'TestSoak$$' -soak $(or $(SOAK),30m)

live: ## play a short story on a real GitHub and print where it differs from the simulated one (ACCOUNT=an-empty-org; docs/live.md)
	@test -n "$(ACCOUNT)" || { echo 'make live ACCOUNT=an-empty-org: see docs/live.md' >&2; exit 2; }
	$(GO) test ./cmd/relbot -count 1 -timeout 1h -v -run 'TestLive$$' -live "$(ACCOUNT)"

fuzz: ## fuzz every target for a short time (FUZZTIME=10s)
	.ci/fuzz $(or $(FUZZTIME),10s)

lint: ## gofmt, vet, staticcheck, govulncheck, and actionlint for the action and its example workflows
	@.ci/format
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.7.0 ./...
	.ci/actionlint
	.ci/vulncheck

deploy: ## hold everything under deploy/ against the tools that read it: helm, promtool, systemd, Compose, BuildKit
	@.ci/need systemd-analyze systemd
	cd deploy/check && $(GO) vet ./... && $(GO) test -count 1 ./...

image: ## build the container image, where a Docker engine runs, and ask it for its version
	@.ci/image

release: ## check .goreleaser.yaml and build what a release has, into dist/ (nothing is published)
	@.ci/release

generate: ## write the generated files (tables in README, policy reference and schema, golden texts)
	$(GO) test ./cmd/relbot -run 'TestGenerated|TestActionLines' -update
	$(GO) test ./internal/scenario -run Reference -update
	$(GO) test ./internal/note -update
	$(GO) test ./internal/policy -update
	$(GO) test ./internal/versionscan/find -run Documented -update
