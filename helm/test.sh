#!/usr/bin/env bash
# Renders the chart for several sets of values, and gives every configuration it makes to `sealring config check`.
#
# Takes `helm` from PATH; else builds it with Go, once, into target/tools. Where neither works it says so and
# skips; SEALRING_REQUIRE_HELM=1 makes that a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

helm_version=v3.19.0
tools=${CARGO_TARGET_DIR:-target}/tools
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

find_helm() {
    if command -v helm; then
        return
    fi
    local built
    built=$(realpath -m "$tools")/helm-$helm_version
    if [[ ! -x $built ]] && command -v go >/dev/null; then
        echo "building helm $helm_version" >&2
        GOBIN=$work/bin GOFLAGS=-modcacherw go install "helm.sh/helm/v3/cmd/helm@$helm_version" >&2 || return
        mkdir -p "$tools"
        mv "$work/bin/helm" "$built"
    fi
    [[ -x $built ]] && echo "$built"
}

if ! helm=$(find_helm); then
    echo "SKIPPED (in CI too): helm/test.sh: there is no helm, and it cannot be built (Go 1.24 or newer, with access to modules)"
    [[ ${SEALRING_REQUIRE_HELM:-} != 1 ]]
    exit
fi

render() {
    "$helm" template demo helm --namespace demo --kube-version 1.30.0 "$@"
}

sealring() {
    cargo run --quiet --package service --bin sealring -- "$@"
}

# The TOML of the ConfigMap, without its indentation.
configuration() {
    render --show-only templates/configmap.yaml "$@" | sed -n '/^  sealring.toml: |/,$ { s/^    //p; }'
}

# Renders these values, and checks the configuration with stand-ins for the secrets' files.
renders() {
    local name=$1
    shift
    "$helm" lint helm --strict --quiet "$@"
    render "$@" >"$work/$name.yaml"
    configuration "$@" >"$work/$name.toml"
    local environment=()
    if grep -q '^url_file' "$work/$name.toml"; then
        environment+=(SEALRING_STORE__URL=postgres://stand-in@127.0.0.1/stand-in)
    fi
    if grep -q '^pin_file' "$work/$name.toml"; then
        environment+=(SEALRING_KEK__PIN=stand-in)
    fi
    # The files are those of the image and of the cluster, and not here.
    local status=0
    (export "${environment[@]:-LC_ALL=C}"; sealring config check --config "$work/$name.toml") >"$work/check" 2>&1 || status=$?
    if grep -Ev 'does not exist|cannot be found|No such file' "$work/check" | grep -F "$name.toml:"; then
        cat "$work/$name.toml"
        echo "FAILED: $name: the configuration does not pass"
        return 1
    fi
    if ((status != 0 && status != 78)); then
        cat "$work/check"
        echo "FAILED: $name: the configuration was not checked"
        return 1
    fi
    echo "ok: $name"
}

# What must be there, and what must not.
holds() {
    grep -q -- "$2" "$work/$1.yaml" || { echo "FAILED: $1 does not hold: $2"; return 1; }
}

lacks() {
    if grep -q -- "$2" "$work/$1.yaml"; then echo "FAILED: $1 holds: $2"; return 1; fi
}

# Values that cannot work are refused, with this reason.
refused() {
    local reason=$1
    shift
    if render "$@" >/dev/null 2>"$work/refusal"; then
        echo "FAILED: rendered although: $reason"
        return 1
    fi
    grep -q -- "$reason" "$work/refusal" || { cat "$work/refusal"; echo "FAILED: not the reason: $reason"; return 1; }
    echo "ok: refused: $reason"
}

plain=(--set tls.plainHttp=true)
renders default "${plain[@]}"
holds default 'kind: PersistentVolumeClaim'
holds default 'fsGroupChangePolicy: OnRootMismatch'
holds default 'name: SEALRING_AUDIT__NODE'
holds default 'fieldPath: metadata.name'
holds default 'automountServiceAccountToken: false'
lacks default 'automountServiceAccountToken: true'
lacks default 'kind: ClusterRoleBinding'
# What is taken back from the volume's group is taken back before anything is read.
order=$(grep -Eo '^ *- name: (private|init|sealring)$' "$work/default.yaml" | sed 's/.*: //' | paste -sd ' ')
[[ $order == 'private init sealring' ]] || { echo "FAILED: default: the containers are: $order"; exit 1; }
holds default 'type: Recreate'
lacks default 'kind: Job'
lacks default 'kind: PodDisruptionBudget'

renders sqlite --values helm/examples/sqlite.yaml "${plain[@]}"
lacks sqlite 'kind: NetworkPolicy'

renders postgres-pkcs11 --values helm/examples/postgres-pkcs11.yaml
holds postgres-pkcs11 'secretName: sealring-tls'
holds postgres-pkcs11 'kind: Job'
holds postgres-pkcs11 'kind: PodDisruptionBudget'
holds postgres-pkcs11 'kind: ServiceMonitor'
lacks postgres-pkcs11 'kind: PersistentVolumeClaim'
lacks postgres-pkcs11 'kind: Secret'

renders tls --values helm/examples/tls.yaml
holds tls 'scheme: HTTPS'
holds tls 'secretName: sealring-tls'
holds tls 'port: https'
holds tls 'insecureSkipVerify: false'
lacks tls 'allow_plain_remote'
lacks tls 'port: http$'
lacks default '\[listener'
holds default 'scheme: HTTP$'

renders cluster --values helm/examples/cluster.yaml
holds cluster 'name: system:auth-delegator'
holds cluster 'automountServiceAccountToken: true'
holds cluster 'kubernetes.io/metadata.name: monitoring'
holds cluster 'name: "\?sealring-metrics-token'
for kind in file socket stdout syslog; do holds cluster "kind = \"$kind\""; done
lacks cluster '^ *- "/dev"$'
for directory in audit spool; do holds cluster "^ *- \"/var/lib/sealring/$directory\"$"; done

renders named --set audit.node=node-1,audit.strict=true "${plain[@]}"
holds named 'node = "node-1"'
lacks named 'SEALRING_AUDIT__NODE'

renders unrecorded --set audit.sinks.out=null,audit.disabled=true "${plain[@]}"
holds unrecorded 'disabled = true'

renders own-secret "${plain[@]}" --set store.kind=postgres --set secret.storeUrl=postgres://demo --set init.enabled=false
holds own-secret 'kind: Secret'
lacks own-secret 'name: init'

postgres=(--values helm/examples/postgres-pkcs11.yaml)
refused 'has to be there'
refused 'has to be there' --set tls.existingSecret=sealring-tls "${plain[@]}"
refused 'audit.sinks needs a sink' --set audit.sinks.out=null "${plain[@]}"
refused 'must be one of .file., .stdout.' --set audit.sinks.out.kind=tape
refused 'replicaCount above 1' --set replicaCount=2
refused 'needs store.postgres.existingSecret.name' --set store.kind=postgres
refused 'needs kek.pkcs11.module' "${postgres[@]}" --set kek.pkcs11.module=
refused 'one of kek.pkcs11.tokenLabel' "${postgres[@]}" --set-string kek.pkcs11.tokenSerial=1
refused 'init.threshold' --set init.threshold=6 "${plain[@]}"
refused "must be one of 'sqlite', 'postgres'" --set store.kind=mysql
refused 'must be one of .off., .request.' --set tls.clientAuth=require
refused 'additional properties' --set telemetry.log_format=json
echo "helm: all values rendered and checked"
