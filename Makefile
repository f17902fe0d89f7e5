# Thin on purpose: what a target does stands in scripts/ or in a Go program, and runs without make too.

FUZZTIME ?= 10s
# One PostgreSQL for all packages; AUTHD_TEST_DATABASE_URL names one of your own instead.
WITH_POSTGRES := go run ./internal/dbtest/dbtestrun --
# Of one package's tests, so many at once: most wait, for PostgreSQL or a daemon, and each may take 8 connections of 200.
GO_TEST := go test -race -parallel 6

.PHONY: help demo test test-openssl race fuzz bench lint image integration browser examples soak soak-short storm storm-short rows rows-short mutants

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "%-12s %s\n", $$1, $$2}' Makefile

demo: ## the whole life of a token, in a few seconds
	@scripts/postgres
	@go run ./cmd/authd demo

test: ## every test, under the race detector
	@scripts/test-setup
	$(WITH_POSTGRES) $(GO_TEST) ./...

test-openssl: ## the tests of what signs, built with OpenSSL
	@scripts/test-setup
	@scripts/libcrypto
	$(WITH_POSTGRES) $(GO_TEST) -tags openssl ./internal/openssl ./internal/keys ./internal/tokens
	$(WITH_POSTGRES) go test -parallel 6 -tags openssl ./internal/grants . # raced by make test; only who signs differs

race: test ## the same: test always runs under the race detector

fuzz: ## each fuzz target for FUZZTIME
	@scripts/test-setup
	$(WITH_POSTGRES) scripts/fuzz $(FUZZTIME)

bench: ## throughput as ratios to the limit measured in the same run, with either signer; rs beside other verifiers
	@scripts/postgres
	@scripts/libcrypto
	@go run ./bench
	@go run -tags openssl ./bench
	@cd bench/verify && go run .

lint: ## gofumpt, vet, staticcheck
	scripts/lint

image: ## the container image, authd:local
	scripts/image

integration: ## the image and PostgreSQL in containers, end to end
	scripts/integration

browser: ## people sign in, in headless Chromium
	@scripts/test-setup
	@scripts/chromium
	$(WITH_POSTGRES) go -C browser test ./...

soak: ## key rotations under load before verifiers of others, five minutes
	scripts/soak

soak-short: ## the same in half a minute
	scripts/soak -short

storm: ## refresh families under load and every fault, judged by a checker, and mutants of authd
	scripts/storm

storm-short: ## the same within three minutes
	scripts/storm -short

rows: ## a million dead rows are deleted while servers serve, and a million rotations
	scripts/storm -only cleanup
	scripts/storm -only bloat

rows-short: ## the same with fewer, within a minute
	scripts/storm -short -only cleanup
	scripts/storm -short -only bloat

mutants: ## the walk through the life of keys catches code that is broken on purpose
	@scripts/test-setup
	$(WITH_POSTGRES) go run ./internal/keys/mutants

examples: ## runs each example
	examples/run
