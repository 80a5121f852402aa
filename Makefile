# Every target works on a fresh machine with Go, git and make.

MODULES  := . bench examples
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME ?= 20s
SUITE    ?= all

.PHONY: help test demo bench lint fuzz redis

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: redis ## all tests of all modules, with the race detector, on real Redis processes
	@set -e; for m in $(MODULES); do \
		echo "== go vet and go test -race -shuffle=on ./... in $$m"; \
		go -C $$m vet ./...; \
		go -C $$m test -race -shuffle=on -timeout 15m ./...; \
	done
	@echo "== go test ./l1, for what the race detector would change: allocations, the heap, sync.Pool"
	@go test -shuffle=on ./l1

demo: ## the documentation server under its own load; DURATION=10s ends it by itself
	@go run -C examples ./godocs -load

bench: redis ## compare with the raw libraries and with rivals; SUITE=l1hit, l2hit, batch, stampede
	@go run -C bench ./compare -suite $(SUITE)

lint: ## golangci-lint on all modules
	@set -e; for m in $(MODULES); do echo "== golangci-lint in $$m"; (cd $$m && go run $(GOLANGCI) run ./...); done

fuzz: ## every fuzz target for FUZZTIME each
	@sh scripts/fuzz.sh $(FUZZTIME)

redis: ## install redis-server if it is missing
	@sh scripts/install-redis.sh
