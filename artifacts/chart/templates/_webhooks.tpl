{{- /* Parts of the webhook configurations. No caBundle: the controller puts it in, and an upgrade keeps it. */ -}}

{{- define "tcr-assistant.webhook" -}}
admissionReviewVersions: [v1]
clientConfig:
  service:
    namespace: tcr-assistant-system
    name: tcr-assistant-webhook-service
    path: /validate/tcr-assistant
    port: 443
failurePolicy: {{ .Values.webhook.failurePolicy }}
matchPolicy: Equivalent
sideEffects: None
timeoutSeconds: {{ .Values.webhook.timeoutSeconds }}
{{- end }}

{{- /* true where cert-manager keeps the webhook's certificate, and not the controller. */ -}}
{{- define "tcr-assistant.certManager" -}}
{{- if and .Values.webhook.enabled .Values.webhook.certManager.enabled }}true{{ end -}}
{{- end }}

{{- /* Whose authority cert-manager's cainjector puts into a webhook configuration. */ -}}
{{- define "tcr-assistant.injectCA" -}}
{{- if include "tcr-assistant.certManager" . -}}
cert-manager.io/inject-ca-from: tcr-assistant-system/tcr-assistant-webhook
{{- end -}}
{{- end }}

{{- /* For namespaced objects: never the add-on's own namespace, so that it can start while it is away. */ -}}
{{- define "tcr-assistant.webhookNamespaces" -}}
namespaceSelector:
  {{- with .Values.webhook.namespaceSelector.matchLabels }}
  matchLabels:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  matchExpressions:
    - {key: kubernetes.io/metadata.name, operator: NotIn, values: [tcr-assistant-system]}
    {{- with .Values.webhook.namespaceSelector.matchExpressions }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- /* The same for Pods and workloads: nor of those namespaces that the cluster itself needs. */ -}}
{{- define "tcr-assistant.webhookWorkloadNamespaces" -}}
{{- include "tcr-assistant.webhookNamespaces" . }}
    {{- with .Values.webhook.excludedNamespaces }}
    - {key: kubernetes.io/metadata.name, operator: NotIn, values: {{ toJson . }}}
    {{- end }}
{{- end }}

{{- /* Conditions that save calls whose answer is known. API servers have them from 1.28 on; the policy decides
       the same without. list of the context and the conditions' names. */ -}}
{{- define "tcr-assistant.matchConditions" -}}
{{- $context := index . 0 -}}
{{- if semverCompare ">=1.28.0-0" $context.Capabilities.KubeVersion.Version -}}
matchConditions:
  {{- range rest . }}
  - name: {{ . }}
    expression: >-
      {{- include (print "tcr-assistant.condition." .) $context | nindent 6 }}
  {{- end }}
{{- end -}}
{{- end }}

{{- define "tcr-assistant.condition.not-the-controller" -}}
request.userInfo.username != "system:serviceaccount:tcr-assistant-system:tcr-assistant-manager"
{{- end }}

{{- define "tcr-assistant.condition.not-kubernetes-cleaning-up" -}}
!(request.userInfo.username in ["system:serviceaccount:kube-system:namespace-controller",
"system:serviceaccount:kube-system:generic-garbage-collector", "system:kube-controller-manager"])
{{- end }}

{{- define "tcr-assistant.condition.not-opted-out" -}}
!has(object.metadata.annotations)
|| !("tcr.tencentcloudcr.com/inject" in object.metadata.annotations)
|| object.metadata.annotations["tcr.tencentcloudcr.com/inject"] != "false"
{{- end }}

{{- define "tcr-assistant.condition.not-a-mirror" -}}
!has(object.metadata.annotations) || !("kubernetes.io/config.mirror" in object.metadata.annotations)
{{- end }}

{{- define "tcr-assistant.condition.images-changed" -}}
object.spec.containers.map(c, has(c.image) ? c.image : "")
!= oldObject.spec.containers.map(c, has(c.image) ? c.image : "")
|| (has(object.spec.initContainers) && object.spec.initContainers.map(c, has(c.image) ? c.image : "")
!= oldObject.spec.initContainers.map(c, has(c.image) ? c.image : ""))
{{- end }}

{{- define "tcr-assistant.condition.not-owned" -}}
!has(object.metadata.ownerReferences)
|| !object.metadata.ownerReferences.exists(owner, has(owner.controller) && owner.controller)
{{- end }}

{{- define "tcr-assistant.condition.spec-changed" -}}
request.operation != "UPDATE" || !has(object.spec) || !has(oldObject.spec) || object.spec != oldObject.spec
{{- end }}

{{- define "tcr-assistant.condition.reference-removed" -}}
has(oldObject.imagePullSecrets) && oldObject.imagePullSecrets.exists(was,
has(was.name) && was.name.startsWith("tcr.ips") && (!has(object.imagePullSecrets)
|| !object.imagePullSecrets.exists(is, has(is.name) && is.name == was.name)))
{{- end }}
