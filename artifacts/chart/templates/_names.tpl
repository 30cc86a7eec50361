{{- define "tcr-assistant.labels" -}}
app.kubernetes.io/name: tcr-assistant
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{/* What selects the controller's Pods: never changes, a Deployment's selector is immutable. */}}
{{- define "tcr-assistant.controllerSelector" -}}
app.kubernetes.io/name: tcr-assistant
app.kubernetes.io/component: controller-manager
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

{{/* A list as updater-config's hosts.yaml has it. */}}
{{- define "tcr-assistant.hostsYaml" -}}
{{- range . }}
- domain: {{ .domain | quote }}
  ip: {{ .ip | quote }}
  disabled: {{ .disabled | default false }}
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

{{/* What lets the controller start on a node that still has the start-up taint: it is who takes it off. */}}
{{- define "tcr-assistant.startupToleration" -}}
{{- if and .Values.hostsUpdater.enabled .Values.hostsUpdater.startupTaint -}}
- {key: tcr.tencentcloudcr.com/agent-not-ready, operator: Exists}
{{- else -}}
[]
{{- end -}}
{{- end }}

{{/* policy.protect: YAML reads a bare off as false. */}}
{{- define "tcr-assistant.protect" -}}
{{- .Values.policy.protect | default "off" -}}
{{- end }}
