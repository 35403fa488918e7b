#!/usr/bin/env bash
# The API by hand, against a running `sealring dev`.
set -euo pipefail

addr=${VAULT_ADDR:-http://127.0.0.1:8200}
token=${VAULT_TOKEN:-$(cat sealring-data/root-token)}
ring=curl-demo

# Sends a body to a path below the mount and prints the answer's data.
transit() {
    local path=$1
    shift
    curl --silent --show-error --fail-with-body --header "X-Vault-Token: $token" \
        --header 'X-Sealring-Reason: curl demo' "$@" "$addr/v1/transit/$path"
}

# The text field of this name, without a JSON parser.
field() {
    sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

echo "== create"
transit "keys/$ring" --request POST
echo "== encrypt"
sealed=$(transit "encrypt/$ring" --data "{\"plaintext\":\"$(printf 'Grüße' | base64)\"}" | field ciphertext)
echo "$sealed"
echo "== rotate"
transit "keys/$ring/rotate" --request POST
echo "== rewrap"
rewrapped=$(transit "rewrap/$ring" --data "{\"ciphertext\":\"$sealed\"}" | field ciphertext)
echo "$rewrapped"
echo "== decrypt"
transit "decrypt/$ring" --data "{\"ciphertext\":\"$rewrapped\"}" | field plaintext | base64 --decode
echo
echo "== history"
transit "keys/$ring/history"
