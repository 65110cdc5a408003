# graft: build and tests. Needs Go, npm (for the native libraries) and, for the BLAS, pip.
#   make lib [GPU=cuda|vulkan]   native libraries into third_party/lib
#   make build                   bin/graft
#   make demo                    both, then a small model learns a task in about a minute
#   make test | test-slow | bench
GO         ?= go
GPU        ?=
PKG        ?= ./...
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

export CGO_ENABLED = 0

# Packages that are also run under the race detector, which needs a C compiler.
RACE = ./binding/... ./ggml/... ./peft/data/... ./peft/train/...

.PHONY: lib build demo check test test-slow race bench clean

lib:
	$(GO) run ./scripts/lib -gpu '$(GPU)'

build:
	$(GO) build -trimpath -o bin/graft ./cmd/graft

demo: lib build
	bin/graft demo

check:
	@files=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$files" ]; then echo "gofmt: these files are not formatted:"; echo "$$files"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) run ./scripts/importcheck

test: lib check build
	$(GO) test -timeout 20m $(PKG)

test-slow: lib race
	GRAFT_SLOW=1 $(GO) test -tags slow -timeout 40m $(PKG)

race:
	@if command -v $${CC:-cc} >/dev/null 2>&1; then \
		echo "$(GO) test -race $(RACE)"; \
		CGO_ENABLED=1 $(GO) test -race -timeout 20m $(RACE); \
	else echo "race detector skipped: no C compiler"; fi

bench: lib build
	bin/graft bench

clean:
	rm -rf bin third_party/lib
