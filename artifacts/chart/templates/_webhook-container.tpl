{{- /* The webhook's container, and whether the controller's Pod has one too.

       Releases before had it there alone, and their Service selects the controller's Pods. helm changes the Service, the
       Deployments and, back again, the Service within a second, and neither waits nor can be told to: so the first
       upgrade leaves the container where it was, beside the new Deployment. Whoever the Service selects, before, after and
       on the way back, answers. The next upgrade takes it out. */ -}}

{{- define "tcr-assistant.webhookContainer" -}}
- name: webhook
  image: {{ include "tcr-assistant.image" (list .Values.image .Chart.AppVersion) | quote }}
  imagePullPolicy: {{ .Values.imagePullPolicy }}
  command: [/harness]
  args:
    - serve
    # Both families, whichever the Pod has.
    - "--addr=::"
    - --port=9443
    - --readiness-probe-port=8081
    - --policies=/etc/tcr-assistant/policies.yml
    - --cert-secret=tcr-assistant-system/tcr-assistant-webhook-server-cert
    - --workers={{ .Values.webhook.workers }}
    - --memory-limit-mib=16
    # API servers open a connection for each review that is under way.
    - --max-connections=640
    # Its own trouble is not a refusal: failurePolicy decides.
    - --on-host-failure=defer
    - --log-fmt={{ .Values.logFormat }}
    {{- range .Values.webhook.extraArgs }}
    - {{ . | quote }}
    {{- end }}
  env:
    {{- include "tcr-assistant.chartVersion" . | nindent 4 }}
    # Where the compiled policy is kept, so that a restarted container answers at once.
    - name: XDG_CACHE_HOME
      value: /var/cache
    {{- with .Values.webhook.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  ports:
    - {name: webhook, containerPort: 9443, protocol: TCP}
    - {name: readiness, containerPort: 8081, protocol: TCP}
  # Compiling the policy takes a while on a tenth of a core.
  startupProbe:
    tcpSocket: {port: 8081}
    periodSeconds: 2
    failureThreshold: 90
  # Not /readiness: that one says no while there is no certificate yet, and while it drains.
  livenessProbe:
    tcpSocket: {port: 8081}
    periodSeconds: 20
    timeoutSeconds: 5
  readinessProbe:
    httpGet: {path: /readiness, port: 8081}
    periodSeconds: 5
    timeoutSeconds: 5
  resources:
    {{- toYaml .Values.webhook.resources | nindent 4 }}
  securityContext:
    {{- include "tcr-assistant.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - {name: policies, mountPath: /etc/tcr-assistant, readOnly: true}
    - {name: cache, mountPath: /var/cache}
{{- end }}

{{- define "tcr-assistant.webhookVolumes" -}}
- name: policies
  configMap: {name: tcr-assistant-policies}
- name: cache
  emptyDir: {sizeLimit: 32Mi}
{{- end }}

{{- /* true where the controller's Pods that run now have the webhook's container. */ -}}
{{- define "tcr-assistant.webhookIsInController" -}}
{{- $controller := lookup "apps/v1" "Deployment" "tcr-assistant-system" "tcr-assistant-controller-manager" -}}
{{- range dig "spec" "template" "spec" "containers" list $controller -}}
{{- if eq .name "webhook" }}true{{ end -}}
{{- end -}}
{{- end }}

{{- /* true where this release's are to have it: as long as they have it and the Deployment does not answer. */ -}}
{{- define "tcr-assistant.webhookStaysInController" -}}
{{- $wanted := toString .Values.webhook.inController -}}
{{- if .Values.webhook.enabled -}}
{{- if eq $wanted "true" -}}
true
{{- else if ne $wanted "false" -}}
{{- $webhook := lookup "apps/v1" "Deployment" "tcr-assistant-system" "tcr-assistant-webhook" -}}
{{- if lt (dig "status" "availableReplicas" 0 $webhook | int) 1 -}}
{{- include "tcr-assistant.webhookIsInController" . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* true where a webhook asks as the controller: also while the last Pods that have both still run. */ -}}
{{- define "tcr-assistant.webhookUsesController" -}}
{{- if .Values.webhook.enabled -}}
{{- include "tcr-assistant.webhookIsInController" . | default (include "tcr-assistant.webhookStaysInController" .) -}}
{{- end -}}
{{- end }}
