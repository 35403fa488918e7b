#!/usr/bin/env bash
# Runs all tests, on Debian with a Rust toolchain and a C compiler. What they need besides is installed first,
# if it is missing: SoftHSM, PostgreSQL (the tests start their own, nothing of the system's is touched), Python, Node,
# openssl.
# With a Go that is new enough (its clients say which) those clients are tested too; none is installed.
#
#   ./test.sh          every test, with counts that end in minutes
#   ./test.sh --full   the expensive ones too: 200 kills, all interleavings
set -euo pipefail
cd "$(dirname "$0")"

case "${1:-}" in
    '') ;;
    --full) export SEALRING_FULL=1 ;;
    *) echo "usage: ./test.sh [--full]" >&2; exit 64 ;;
esac

# Debian keeps PostgreSQL's server programs out of PATH.
has_postgres() {
    command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

# Without pip a Python can make no useful virtual environment.
has_venv() {
    python3 -c 'import ensurepip, venv' 2>/dev/null
}

# Debian has npm in a package of its own.
has_node() {
    command -v node >/dev/null && command -v npm >/dev/null
}

missing=()
command -v softhsm2-util >/dev/null || missing+=(softhsm2)
has_postgres || missing+=(postgresql)
has_venv || missing+=(python3-venv)
has_node || missing+=(nodejs npm)
command -v openssl >/dev/null || missing+=(openssl)

if ((${#missing[@]})); then
    if command -v apt-get >/dev/null; then
        as_root=()
        if ((EUID != 0)); then as_root=(sudo); fi
        echo "installing what the tests need: ${missing[*]}"
        "${as_root[@]}" apt-get update --quiet=2
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}"
    else
        echo "missing, and there is no apt-get to install them: ${missing[*]}; their tests are skipped"
    fi
fi

# A test whose backend is missing skips itself and says so. In CI that is a failure.
if [[ ${CI:-} == true ]]; then
    export SEALRING_REQUIRE_BACKENDS=1
fi

cargo test --workspace --all-targets --locked
cargo test --workspace --doc --locked
helm/test.sh
