{{- /* Parts of the policies that narrow writes. CEL as of Kubernetes 1.29, which 1.30 takes for new objects. */ -}}

{{- /* A policy, and what puts it into force: list of the context, YAML with name, group, resources, operations,
       variables and validations, and the users whom it is about. */ -}}
{{- define "tcr-assistant.writeLimit" -}}
{{- $context := index . 0 -}}
{{- $policy := index . 1 | fromYaml -}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ $policy.name }}
  labels:
    {{- include "tcr-assistant.labels" $context | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - apiGroups: {{ list $policy.group | toJson }}
        apiVersions: [v1]
        resources: {{ $policy.resources | toJson }}
        operations: {{ $policy.operations | toJson }}
  matchConditions:
    - name: by-the-add-on
      expression: >-
        request.userInfo.username in {{ index . 2 | toJson }}
  {{- with $policy.variables }}
  variables:
    {{- range . }}
    - name: {{ .name }}
      expression: >-
        {{- .expression | trim | nindent 8 }}
    {{- end }}
  {{- end }}
  validations:
    {{- range $policy.validations }}
    - message: {{ .message | quote }}
      reason: Forbidden
      expression: >-
        {{- .expression | trim | nindent 8 }}
    {{- end }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ $policy.name }}
  labels:
    {{- include "tcr-assistant.labels" $context | nindent 4 }}
spec:
  policyName: {{ $policy.name }}
  validationActions: [Deny]
{{ end }}

{{- /* Two maps differ at most in these keys: list of the new map, the old one and the keys. */ -}}
{{- define "tcr-assistant.sameExcept" -}}
{{- $new := index . 0 -}}
{{- $old := index . 1 -}}
[{{ $new }}, {{ $old }}].all(m, m.all(k, k in {{ index . 2 | toJson }} || {{ $new }}[?k] == {{ $old }}[?k]))
{{- end }}

{{- /* What each policy says; the context is metadata's keys that every write changes. RBAC grants no CREATE but of Secrets
       and ConfigMaps, and no DELETE but of Secrets. */ -}}
{{- define "tcr-assistant.limit.secrets" }}
name: tcr-assistant-secret-writes
group: ""
resources: [secrets]
operations: [CREATE, UPDATE, DELETE]
variables:
  # Not request.name, which is empty where the name is generated.
  - name: name
    expression: >-
      request.operation == "DELETE" ? oldObject.metadata.name : object.metadata.name
  # The names of the add-on's own Secrets, which are in its own namespace.
  - name: own
    expression: >-
      request.namespace == "tcr-assistant-system"
      && (variables.name in ["tcr-assistant-webhook-server-cert", "tcr-assistant-installation-key"]
      || variables.name.startsWith("tcr-assistant-credential-"))
  - name: labels
    expression: >-
      request.operation == "DELETE" ? {} : object.metadata.?labels.orValue({})
validations:
  - message: only Secrets with the prefix tcr.ips and the add-on's own
    expression: >-
      variables.own || variables.name.startsWith("tcr.ips")
  # So never a token of a ServiceAccount, which would be all the rights of that account.
  - message: only Secrets of the type that the name stands for
    expression: >-
      request.operation == "DELETE"
      || object.type in (variables.own ? ["kubernetes.io/tls", "Opaque"] : ["kubernetes.io/dockerconfigjson"])
  - message: only Secrets with the add-on's labels
    expression: >-
      request.operation == "DELETE"
      || (variables.labels[?"app.kubernetes.io/managed-by"] == optional.of("tcr-assistant")
      && (variables.own || "tcr.tencentcloudcr.com/image-pull-secret" in variables.labels))
{{- end }}

{{- define "tcr-assistant.limit.serviceAccounts" }}
name: tcr-assistant-serviceaccount-writes
group: ""
resources: [serviceaccounts]
operations: [UPDATE]
validations:
  # In order, and as often.
  - message: only references to Secrets with the prefix tcr.ips
    expression: >-
      object.?imagePullSecrets.orValue([]).filter(r, !r.?name.orValue("").startsWith("tcr.ips"))
      == oldObject.?imagePullSecrets.orValue([]).filter(r, !r.?name.orValue("").startsWith("tcr.ips"))
  - message: only imagePullSecrets
    expression: >-
      {{ include "tcr-assistant.sameExcept" (list "object" "oldObject" (list "metadata" "imagePullSecrets")) }}
  - message: no metadata
    expression: >-
      {{ include "tcr-assistant.sameExcept" (list "object.metadata" "oldObject.metadata" .) }}
{{- end }}

{{- define "tcr-assistant.limit.pods" }}
name: tcr-assistant-pod-writes
group: ""
resources: [pods]
operations: [UPDATE]
validations:
  - message: only Pods of hosts-updater
    expression: >-
      oldObject.metadata.?labels[?"app.kubernetes.io/component"] == optional.of("hosts-updater")
  - message: only the annotation that names the newest list
    expression: >-
      [object.metadata.?annotations.orValue({}), oldObject.metadata.?annotations.orValue({})].all(m, m.all(k,
      k == "tcr.tencentcloudcr.com/hosts-generation"
      || object.metadata.?annotations[?k] == oldObject.metadata.?annotations[?k]))
  - message: no other metadata
    expression: >-
      {{ include "tcr-assistant.sameExcept" (list "object.metadata" "oldObject.metadata" (append . "annotations")) }}
  - message: nothing but metadata
    expression: >-
      {{ include "tcr-assistant.sameExcept" (list "object" "oldObject" (list "metadata")) }}
{{- end }}

{{- define "tcr-assistant.limit.nodes" }}
name: tcr-assistant-node-writes
group: ""
resources: [nodes]
operations: [UPDATE]
validations:
  - message: only the taint tcr.tencentcloudcr.com/agent-not-ready
    expression: >-
      object.spec.?taints.orValue([]).filter(t, t.key != "tcr.tencentcloudcr.com/agent-not-ready")
      == oldObject.spec.?taints.orValue([]).filter(t, t.key != "tcr.tencentcloudcr.com/agent-not-ready")
  # With NoExecute it would end every Pod.
  - message: that taint is taken off, never put on
    expression: >-
      object.spec.?taints.orValue([]).all(t, t.key != "tcr.tencentcloudcr.com/agent-not-ready"
      || t in oldObject.spec.?taints.orValue([]))
  - message: nothing else of the spec
    expression: >-
      {{ include "tcr-assistant.sameExcept" (list "object.spec" "oldObject.spec" (list "taints")) }}
  - message: no metadata
    expression: >-
      {{ include "tcr-assistant.sameExcept" (list "object.metadata" "oldObject.metadata" .) }}
{{- end }}

{{- define "tcr-assistant.limit.webhooks" }}
name: tcr-assistant-webhook-writes
group: admissionregistration.k8s.io
resources: [validatingwebhookconfigurations, mutatingwebhookconfigurations]
operations: [UPDATE]
validations:
  - message: no webhook is added, removed or moved
    expression: >-
      object.?webhooks.orValue([]).map(w, w.name) == oldObject.?webhooks.orValue([]).map(w, w.name)
  - message: only the caBundle of a webhook's clientConfig
    expression: >-
      object.?webhooks.orValue([]).all(w, oldObject.?webhooks.orValue([]).all(o, o.name != w.name
      || {{ include "tcr-assistant.sameExcept" (list "w.clientConfig" "o.clientConfig" (list "caBundle")) }}))
  - message: nothing else of a webhook
    expression: >-
      object.?webhooks.orValue([]).all(w, oldObject.?webhooks.orValue([]).all(o, o.name != w.name
      || {{ include "tcr-assistant.sameExcept" (list "w" "o" (list "clientConfig")) }}))
  - message: no metadata
    expression: >-
      {{ include "tcr-assistant.sameExcept" (list "object.metadata" "oldObject.metadata" .) }}
{{- end }}

{{- define "tcr-assistant.limit.imagePullSecrets" }}
name: tcr-assistant-imagepullsecret-writes
group: tcr.tencentcloudcr.com
resources: [imagepullsecrets]
operations: [UPDATE]
validations:
  - message: only the finalizer tcr.tencentcloudcr.com/cleanup
    expression: >-
      object.metadata.?finalizers.orValue([]).filter(f, f != "tcr.tencentcloudcr.com/cleanup")
      == oldObject.metadata.?finalizers.orValue([]).filter(f, f != "tcr.tencentcloudcr.com/cleanup")
  - message: no other metadata
    expression: >-
      {{ include "tcr-assistant.sameExcept" (list "object.metadata" "oldObject.metadata" (append . "finalizers")) }}
  - message: no spec
    expression: >-
      {{ include "tcr-assistant.sameExcept" (list "object" "oldObject" (list "metadata")) }}
{{- end }}

{{- define "tcr-assistant.limit.configMaps" }}
name: tcr-assistant-configmap-writes
group: ""
resources: [configmaps]
operations: [CREATE, UPDATE]
validations:
  - message: only updater-config
    expression: >-
      object.metadata.name == "updater-config"
{{- end }}
