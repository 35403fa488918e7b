{{- define "sealring.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "sealring.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "sealring.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "sealring.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "sealring.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sealring.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sealring.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "sealring.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "sealring.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "sealring.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "sealring.image" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}

{{/* Whether anything is kept on a volume of the pod's own; "true" or nothing. */}}
{{- define "sealring.onVolume" -}}
{{- if or (eq .Values.store.kind "sqlite") (eq .Values.kek.kind "software") }}true{{ end }}
{{- end }}

{{/* Combinations that render but cannot work. */}}
{{- define "sealring.check" -}}
{{- if and (include "sealring.onVolume" .) (gt (int .Values.replicaCount) 1) }}
{{- fail "replicaCount above 1 needs store.kind=postgres and kek.kind=pkcs11: SQLite and the software KEK are files of one pod" }}
{{- end }}
{{- if and (eq .Values.store.kind "postgres") (not .Values.store.postgres.existingSecret.name) (not .Values.secret.storeUrl) }}
{{- fail "store.kind=postgres needs store.postgres.existingSecret.name, a Secret that holds the URL" }}
{{- end }}
{{- if eq .Values.kek.kind "pkcs11" }}
{{- if not .Values.kek.pkcs11.module }}
{{- fail "kek.kind=pkcs11 needs kek.pkcs11.module, the absolute path of the module" }}
{{- end }}
{{- if not (or .Values.kek.pkcs11.existingSecret.name .Values.secret.kekPin) }}
{{- fail "kek.kind=pkcs11 needs kek.pkcs11.existingSecret.name, a Secret that holds the PIN" }}
{{- end }}
{{- if eq (not .Values.kek.pkcs11.tokenLabel) (not .Values.kek.pkcs11.tokenSerial) }}
{{- fail "kek.kind=pkcs11 needs one of kek.pkcs11.tokenLabel and kek.pkcs11.tokenSerial" }}
{{- end }}
{{- end }}
{{- if eq (not .Values.tls.existingSecret) (not .Values.tls.plainHttp) }}
{{- fail "one of tls.existingSecret, a Secret with a certificate, and tls.plainHttp=true, which sends tokens and plaintext in the clear, has to be there" }}
{{- end }}
{{- if eq (not .Values.audit.sinks) (not .Values.audit.disabled) }}
{{- fail "audit.sinks needs a sink, unless audit.disabled is true: then there is none" }}
{{- end }}
{{- if gt (int .Values.init.threshold) (int .Values.init.shares) }}
{{- fail "init.threshold must not be above init.shares" }}
{{- end }}
{{- end }}

{{/* A TOML value: strings quoted, numbers whole, booleans bare. */}}
{{- define "sealring.tomlValue" -}}
{{- if kindIs "string" . }}{{ . | toJson }}
{{- else if kindIs "bool" . }}{{ . }}
{{- else }}{{ int64 . }}
{{- end }}
{{- end }}

{{/* One section: what the chart decides, and under it what the values say. */}}
{{- define "sealring.tomlSection" -}}
[{{ .name }}]
{{- range $key, $value := merge (dict) .fixed .free }}
{{ $key }} = {{ include "sealring.tomlValue" $value }}
{{- end }}
{{- end }}

{{- define "sealring.toml" -}}
{{- $config := .Values.config | default dict }}
{{- $server := dict "listen" "0.0.0.0:8200" "allow_plain_remote" true }}
{{- if .Values.tls.existingSecret }}
{{- $server = dict }}
{{- end }}
{{ include "sealring.tomlSection" (dict "name" "server" "fixed" $server "free" ($config.server | default dict)) }}
{{- if .Values.tls.existingSecret }}

[listener.https]
address = "0.0.0.0:8200"
tls_cert_file = "/etc/sealring/tls/tls.crt"
tls_key_file = "/etc/sealring/tls/tls.key"
tls_client_auth = {{ .Values.tls.clientAuth | toJson }}
tls_min_version = {{ .Values.tls.minVersion | toJson }}
{{- end }}

[store]
kind = {{ .Values.store.kind | toJson }}
{{- if eq .Values.store.kind "sqlite" }}
path = "/var/lib/sealring/store.sqlite"
{{- else }}
url_file = "/etc/sealring/secrets/store-url"
max_connections = {{ int64 .Values.store.postgres.maxConnections }}
{{- end }}

{{- $audit := dict "strict" .Values.audit.strict }}
{{- with .Values.audit.node }}{{ $_ := set $audit "node" . }}{{ end }}
{{- with .Values.audit.correlate }}{{ $_ := set $audit "correlate" . }}{{ end }}
{{- if .Values.audit.disabled }}{{ $_ := set $audit "disabled" true }}{{ end }}

{{ include "sealring.tomlSection" (dict "name" "audit" "fixed" $audit "free" (dict)) }}
{{- range $name, $sink := .Values.audit.sinks }}

{{ include "sealring.tomlSection" (dict "name" (printf "audit.%s" $name) "fixed" $sink "free" (dict)) }}
{{- end }}

[kek]
kind = {{ .Values.kek.kind | toJson }}
{{- if eq .Values.kek.kind "software" }}
file = "/var/lib/sealring/kek"
{{- else }}
{{- with .Values.kek.pkcs11 }}
module = {{ .module | toJson }}
{{- with .tokenLabel }}
token_label = {{ . | toJson }}
{{- end }}
{{- with .tokenSerial }}
token_serial = {{ . | toJson }}
{{- end }}
pin_file = "/etc/sealring/secrets/kek-pin"
key_id = {{ .keyId | toJson }}
{{- with .keyLabel }}
key_label = {{ . | toJson }}
{{- end }}
threads = {{ int64 .threads }}
call_deadline = {{ .callDeadline | toJson }}
{{- end }}
state_dir = "/var/lib/sealring/kek-state"
{{- end }}
{{- range $name, $section := omit $config "server" }}
{{- if $section }}

{{ include "sealring.tomlSection" (dict "name" $name "fixed" (dict) "free" $section) }}
{{- end }}
{{- end }}
{{- end }}

{{/* "http" or "https": the name of the port, and in capitals what probes speak. */}}
{{- define "sealring.scheme" -}}
{{- if .Values.tls.existingSecret }}https{{ else }}http{{ end }}
{{- end }}

{{- define "sealring.podSpecStart" -}}
serviceAccountName: {{ include "sealring.serviceAccountName" . }}
automountServiceAccountToken: {{ .Values.kubernetesAuth.enabled }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "sealring.containerStart" -}}
image: {{ include "sealring.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- toYaml .Values.securityContext | nindent 2 }}
{{- if or .Values.extraEnv (include "sealring.namedByPod" .) }}
env:
  {{- if include "sealring.namedByPod" . }}
  - name: SEALRING_AUDIT__NODE
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
volumeMounts:
  - name: config
    mountPath: /etc/sealring/sealring.toml
    subPath: sealring.toml
    readOnly: true
  - name: data
    mountPath: /var/lib/sealring
  {{- if or (eq .Values.store.kind "postgres") (eq .Values.kek.kind "pkcs11") }}
  - name: secrets
    mountPath: /etc/sealring/secrets
    readOnly: true
  {{- end }}
  {{- if .Values.tls.existingSecret }}
  # A directory, for a file mounted by subPath never changes.
  - name: tls
    mountPath: /etc/sealring/tls
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Whether the audit's node is called like the pod; "true" or nothing. */}}
{{- define "sealring.namedByPod" -}}
{{- if not (or .Values.audit.node .Values.audit.disabled) }}true{{ end }}
{{- end }}

{{/* The container that takes back what the kubelet has given to the volume's group. */}}
{{- define "sealring.private" -}}
- name: private
  {{- include "sealring.containerStart" . | nindent 2 }}
  command: ["/bin/sh", "-c"]
  args:
    - |
      {{- .Files.Get "files/private.sh" | trim | nindent 6 }}
    - private
    - /var/lib/sealring
    {{- range .Values.audit.sinks }}
    {{- if and (eq .kind "file") .path }}
    - {{ dir .path | quote }}
    {{- end }}
    {{- if and (eq .kind "socket") .spool }}
    - {{ .spool | quote }}
    {{- end }}
    {{- end }}
{{- end }}

{{- define "sealring.volumes" -}}
- name: config
  configMap:
    name: {{ include "sealring.fullname" . }}
- name: data
  {{- if include "sealring.onVolume" . }}
  persistentVolumeClaim:
    claimName: {{ .Values.persistence.existingClaim | default (include "sealring.fullname" .) }}
  {{- else }}
  emptyDir: {}
  {{- end }}
{{- if or (eq .Values.store.kind "postgres") (eq .Values.kek.kind "pkcs11") }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- if eq .Values.store.kind "postgres" }}
      - secret:
          {{- with .Values.store.postgres.existingSecret }}
          name: {{ .name | default (include "sealring.fullname" $) }}
          items:
            - key: {{ if .name }}{{ .key }}{{ else }}store-url{{ end }}
              path: store-url
          {{- end }}
      {{- end }}
      {{- if eq .Values.kek.kind "pkcs11" }}
      - secret:
          {{- with .Values.kek.pkcs11.existingSecret }}
          name: {{ .name | default (include "sealring.fullname" $) }}
          items:
            - key: {{ if .name }}{{ .key }}{{ else }}kek-pin{{ end }}
              path: kek-pin
          {{- end }}
      {{- end }}
{{- end }}
{{- with .Values.tls.existingSecret }}
- name: tls
  secret:
    secretName: {{ . }}
    # Root's, readable by the pod's group and nobody else.
    defaultMode: 0440
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
