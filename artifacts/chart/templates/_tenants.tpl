{{- /* The value tenants as ValidatingAdmissionPolicies: what tcr/src/tenants.rs says, where no webhook has to answer.
       CEL as of Kubernetes 1.29, which 1.30 takes for new objects. */ -}}

{{- /* Entries as maps of lists, which is one type for CEL: a list of lists, each short enough for an expression, of which
       API servers read 100,000 characters. */ -}}
{{- define "tcr-assistant.tenantLists" -}}
{{- $lists := list -}}
{{- $entries := list -}}
{{- $size := 0 -}}
{{- range .Values.tenants -}}
{{- $labels := list -}}
{{- range $key, $value := .namespaceLabels -}}
{{- $labels = append $labels (printf "%s=%s" $key $value) -}}
{{- end -}}
{{- $entry := dict "users" (.users | default list) "groups" (.groups | default list) "namespaces" (.namespaces | default list)
      "namespaceLabels" $labels "registryNamespaces" .registryNamespaces "instanceIds" (.instanceIds | default (list "*"))
      "roleArns" (.roleArns | default list) "conflictPolicies" (append (.conflictPolicies | default list) "never") -}}
{{- $length := len ($entry | toJson) -}}
{{- if and $entries (gt (add $size $length) 50000) -}}
{{- $lists = append $lists $entries -}}
{{- $entries = list -}}
{{- $size = 0 -}}
{{- end -}}
{{- $entries = append $entries $entry -}}
{{- $size = add $size $length -}}
{{- end -}}
{{- append $lists $entries | toJson -}}
{{- end }}

{{- /* Whether a list of names, and of beginnings that end with *, has a name: list of the list and the name. */ -}}
{{- define "tcr-assistant.covers" -}}
{{ index . 0 }}.exists(a, a.endsWith("*") ? {{ index . 1 }}.startsWith(a.substring(0, a.size() - 1)) : {{ index . 1 }} == a)
{{- end }}

{{- /* Each rule keeps, of the pairs of a spec and a tenant that the one before has left, those that hold. */ -}}
{{- define "tcr-assistant.tenantRules" }}
- name: namespaces
  message: spec.namespaces goes beyond the namespaces of the user's tenants
  # Exclusions and selectors only narrow.
  expression: >-
    "*" in p.tenant.namespaces
    || (p.tenant.namespaceLabels.size() > 0 && p.tenant.namespaceLabels.all(l,
    p.spec.?namespaceSelector.?matchLabels[?l.split("=", 2)[0]] == optional.of(l.split("=", 2)[1])))
    || (p.spec.?namespaces.orValue("").split(",").exists(n, n.trim() != "" && !n.trim().startsWith("!"))
    && p.spec.?namespaces.orValue("").split(",").map(n, n.trim()).all(n, n == "" || n.startsWith("!")
    || {{ include "tcr-assistant.covers" (list "p.tenant.namespaces" "n") }}))
- name: registryNamespaces
  message: spec.tcr.credential goes beyond the registryNamespaces of the user's tenants, which only a serviceAccount is held to
  expression: >-
    "*" in p.tenant.registryNamespaces
    || (p.spec.?tcr.?credential.?type == optional.of("serviceAccount")
    && p.spec.?tcr.?credential.?registryNamespaces.orValue([]).size() > 0
    && p.spec.?tcr.?credential.?registryNamespaces.orValue([]).all(n,
    {{ include "tcr-assistant.covers" (list "p.tenant.registryNamespaces" "n") }}))
- name: instanceIds
  message: spec.tcr.instanceId goes beyond the instanceIds of the user's tenants
  expression: >-
    {{ include "tcr-assistant.covers" (list "p.tenant.instanceIds" "p.spec.?tcr.?instanceId.orValue(\"\")") }}
- name: roleArns
  message: spec.tcr.roleArn goes beyond the roleArns of the user's tenants
  expression: >-
    !p.spec.?tcr.?roleArn.hasValue()
    || {{ include "tcr-assistant.covers" (list "p.tenant.roleArns" "p.spec.?tcr.?roleArn.orValue(\"\")") }}
- name: conflictPolicies
  message: spec.conflictPolicy goes beyond the conflictPolicies of the user's tenants
  expression: >-
    "*" in p.tenant.conflictPolicies || p.spec.?conflictPolicy.orValue("never") in p.tenant.conflictPolicies
# The nodes' hosts files are everybody's.
- name: privateNetwork
  message: spec.tcr.privateNetwork.resolve is for tenants with all namespaces
  expression: >-
    "*" in p.tenant.namespaces || !p.spec.?tcr.?privateNetwork.?resolve.orValue(false)
{{- end }}
