{{- define "tcr-assistant.labels" -}}
app.kubernetes.io/name: tcr-assistant
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{/* What selects the controller's Pods: never changes, a Deployment's selector is immutable. */}}
{{- define "tcr-assistant.controllerSelector" -}}
app.kubernetes.io/name: tcr-assistant
app.kubernetes.io/component: controller-manager
{{- end }}

{{/* What selects the webhook's Pods. */}}
{{- define "tcr-assistant.webhookSelector" -}}
app.kubernetes.io/name: tcr-assistant
app.kubernetes.io/component: webhook
{{- end }}

{{- define "tcr-assistant.hostsUpdaterSelector" -}}
app.kubernetes.io/name: tcr-assistant
app.kubernetes.io/component: hosts-updater
{{- end }}

{{/* An image from {repository, tag, digest}: list of the image's values and the chart's version. */}}
{{- define "tcr-assistant.image" -}}
{{- $image := index . 0 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default (printf "v%s" (index . 1)) }}
{{- end -}}
{{- end }}

{{/* What a program compares its own release with when it starts: an image of another one says so, and ends. */}}
{{- define "tcr-assistant.chartVersion" -}}
- {name: TCR_ASSISTANT_CHART_VERSION, value: {{ .Chart.AppVersion | quote }}}
{{- end }}

{{- define "tcr-assistant.region" -}}
{{- $cluster := .Values.global.cluster -}}
{{- if $cluster.longregion -}}
{{ $cluster.longregion }}
{{- else if contains "-" $cluster.region -}}
{{ $cluster.region }}
{{- end -}}
{{- end }}

{{- define "tcr-assistant.cloudCredentialName" -}}
{{ .Values.cloudCredential.existingSecret | default "tcr-assistant-cloud-credential" }}
{{- end }}

{{/* Root domains that ImagePullSecrets may name, as JSON. No root of hosts-updater: the Personal Edition has no private link. */}}
{{- define "tcr-assistant.allowedRoots" -}}
{{- $personal := ternary (list "ccs.tencentyun.com") (list) .Values.personalEdition -}}
{{- concat .Values.allowedRoots $personal | uniq | toJson -}}
{{- end }}

{{/* A list as updater-config's hosts.yaml has it. */}}
{{- define "tcr-assistant.hostsYaml" -}}
{{- range . }}
- domain: {{ .domain | quote }}
  ip: {{ .ip | quote }}
  disabled: {{ .disabled | default false }}
  {{- with .vpcId }}
  vpcId: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{/* A user name, which values may hold as a number: helm reads those as floats. */}}
{{- define "tcr-assistant.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ int64 . }}{{ end }}
{{- end }}

{{- define "tcr-assistant.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Where the Pods of controller, webhook and uninstall may run, and as whom: they start before what they serve. */}}
{{- define "tcr-assistant.pod" -}}
enableServiceLinks: false
{{- if .Values.controller.hostNetwork }}
hostNetwork: true
dnsPolicy: Default
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- with concat (.Values.controller.tolerations | default list) (include "tcr-assistant.startupToleration" . | fromYamlArray) }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.controller.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{/* How a Deployment replaces its Pods. */}}
{{- define "tcr-assistant.rollingUpdate" -}}
{{- if .Values.controller.hostNetwork -}}
# The old one has the node's ports until it ends.
maxUnavailable: 1
maxSurge: 0
{{- else -}}
# The old one works until the new one does.
maxUnavailable: 0
maxSurge: 1
{{- end }}
{{- end }}

{{/* Several Pods are spread over nodes and zones: a list of their number and of the labels that select them. */}}
{{- define "tcr-assistant.spread" -}}
{{- $selector := index . 1 -}}
{{- if gt (int (index . 0)) 1 -}}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- $selector | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* What lets the controller start on a node that still has the start-up taint: it is who takes it off. */}}
{{- define "tcr-assistant.startupToleration" -}}
{{- if and .Values.hostsUpdater.enabled .Values.hostsUpdater.startupTaint -}}
- {key: tcr.tencentcloudcr.com/agent-not-ready, operator: Exists}
{{- else -}}
[]
{{- end -}}
{{- end }}

{{/* Annotations of Pods: a list of the context, the workload's own, which win, and the port of its metrics, if there is one. */}}
{{- define "tcr-assistant.podAnnotations" -}}
{{- $port := index . 2 -}}
{{- $scrape := dict "prometheus.io/scrape" "true" "prometheus.io/port" (toString $port) "prometheus.io/path" "/metrics" -}}
{{- $isScraped := and $port (index . 0).Values.monitoring.annotations -}}
{{- with merge (dict) (index . 1) (ternary $scrape dict (not (not $isScraped))) -}}
{{- toYaml . -}}
{{- end -}}
{{- end }}

{{/* policy.protect: YAML reads a bare off as false. */}}
{{- define "tcr-assistant.protect" -}}
{{- .Values.policy.protect | default "off" -}}
{{- end }}

{{/* Egress that everything needs, from networkPolicy. */}}
{{- define "tcr-assistant.egressToApiServer" -}}
# Names, and the API server.
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
- to:
    {{- range .apiServerCIDRs }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  ports:
    {{- range .apiServerPorts }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end }}
