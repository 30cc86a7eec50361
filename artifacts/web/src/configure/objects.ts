/** What a form leads to: the ImagePullSecret, the chart's values, the policy's settings. */
import { type Form, lines, type Requirement, type Tenant, TENANT_LISTS } from "./form.ts";

type Fields = Record<string, unknown>;

/** The custom resource that the controller carries out. Defaults are left out. */
export function imagePullSecret(form: Form): Fields {
  return {
    apiVersion: "tcr.tencentcloudcr.com/v1",
    kind: "ImagePullSecret",
    metadata: { name: form.name },
    spec: {
      namespaces: form.namespaces,
      serviceAccounts: form.serviceAccounts,
      ...selection(form),
      ...(form.source === "tcr" ? { tcr: instance(form) } : { docker: docker(form) }),
    },
  };
}

/** Values for `artifacts/chart`. */
export function helmValues(form: Form): Fields {
  const cluster = {
    ...(form.clusterId && { id: form.clusterId }),
    ...(form.source === "tcr" && (form.clusterRegion || form.region) && { longregion: form.clusterRegion || form.region }),
  };
  const { docker: login, tcr } = { docker: docker(form), tcr: instance(form) };
  const global = {
    ...(form.source === "docker" && {
      imagePullSecretsCrs: [
        {
          name: form.name,
          namespaces: form.namespaces,
          serviceAccounts: form.serviceAccounts,
          type: "docker",
          dockerServer: login.server,
          dockerUsername: login.username,
          ...("password" in login ? { dockerPassword: login.password } : { dockerPasswordSecretRef: login.passwordSecretRef }),
        },
      ],
    }),
    ...(lines(form.hostsEntries).length > 0 && { hosts: hostsEntries(form) }),
    ...(Object.keys(cluster).length > 0 && { cluster }),
  };
  const roots = lines(form.allowedRoots);
  return {
    ...(Object.keys(global).length > 0 && { global }),
    ...(form.source === "tcr" && {
      instances: [
        {
          name: form.name,
          ...tcr,
          namespaces: form.namespaces,
          serviceAccounts: form.serviceAccounts,
          ...selection(form),
        },
      ],
    }),
    ...(!isDefault(roots, ["tencentcloudcr.com"]) && { allowedRoots: roots }),
    ...aliasesOf(form),
    ...(rolesOf(form).length > 0 && { allowedRoles: rolesOf(form) }),
    ...tenants(form),
    ...(form.failurePolicy !== "Ignore" && { webhook: { failurePolicy: form.failurePolicy } }),
    policy: { mode: form.mode, ...policyOf(form) },
  };
}

/** The settings of the ClusterAdmissionPolicy. */
export function settings(form: Form): Fields {
  const allowedRoles = rolesOf(form).map(({ roleArn }) => roleArn);
  return {
    ...policyOf(form),
    allowedRoots: lines(form.allowedRoots),
    ...aliasesOf(form),
    ...(allowedRoles.length > 0 && { allowedRoles }),
    clusterId: form.clusterId,
    ...(form.clusterRegion && { clusterRegion: form.clusterRegion }),
    ...tenants(form),
  };
}

/** A role as the chart has it. */
export interface AllowedRole {
  roleArn: string;
  externalId?: string;
  providerId?: string;
}

/** A role on a line of the form, as in the controller's flag. */
export function roleLine({ roleArn, externalId, providerId }: AllowedRole): string {
  return roleArn + (externalId ? `;external-id=${externalId}` : "") + (providerId ? `;provider-id=${providerId}` : "");
}

/** The form's roles as the chart has them. */
export function rolesOf(form: Form): AllowedRole[] {
  return lines(form.allowedRoles).map((line) => {
    const [roleArn = "", ...options] = line.split(";");
    const option = (name: string) => options.find((it) => it.startsWith(name))?.slice(name.length);
    const [externalId, providerId] = [option("external-id="), option("provider-id=")];
    return { roleArn, ...(externalId && { externalId }), ...(providerId && { providerId }) };
  });
}

function aliasesOf(form: Form): Fields {
  const allowedAliases = lines(form.allowedAliases);
  return allowedAliases.length > 0 ? { allowedAliases } : {};
}

/** What the form has and the chart's values for a static credential cannot say. */
export function isBeyondTheChart(form: Form): boolean {
  return form.source === "docker" && Object.keys(selection(form)).length > 0;
}

/** `{domain, ip, disabled}`, the entries of the original add-on; with `vpcId`, for the nodes in that VPC. */
export function hostsEntries(form: Form): { domain: string; ip: string; disabled: boolean; vpcId?: string }[] {
  return lines(form.hostsEntries).flatMap((line) => {
    const [ip = "", ...words] = line.replace(/^#/, "").trim().split(/\s+/);
    const vpcId = words.length > 1 ? words.find((word) => /^vpc-[a-z0-9]{1,32}$/.test(word)) : undefined;
    const domains = words.filter((word) => word !== vpcId);
    const names = domains.length > 0 ? domains : [""];
    return names.map((domain) => ({ domain, ip, disabled: line.startsWith("#"), ...(vpcId !== undefined && { vpcId }) }));
  });
}

/** What the chart and Kubewarden take alike. */
function policyOf(form: Form): Fields {
  return {
    ...(form.discover ? { discover: true, onDiscoveryFailure: form.onDiscoveryFailure } : { discover: false, registries: [registry(form)] }),
    declared: form.declared,
    protect: form.protect,
    controllerUsernames: lines(form.controllerUsernames),
  };
}

/** Whose ImagePullSecrets may say what; what is empty is left out. */
function tenants({ tenants }: Form): Fields {
  return tenants.length > 0 ? { tenants: tenants.map(tenant) } : {};
}

function tenant(entry: Tenant): Fields {
  const parts = TENANT_LISTS.flatMap((part): [string, unknown][] => {
    const all = lines(entry[part]);
    if (all.length === 0) return [];
    return [[part, part === "namespaceLabels" ? Object.fromEntries(all.map(label)) : all]];
  });
  return { name: entry.name, ...Object.fromEntries(parts) };
}

function label(line: string): [string, string] {
  const [key = "", ...value] = line.split("=");
  return [key.trim(), value.join("=").trim()];
}

/** The ImagePullSecret as an entry of the settings. */
function registry(form: Form): Fields {
  const { namespaceSelector } = selection(form);
  return {
    name: form.name,
    hosts: lines(form.registryHosts),
    namespaces: form.namespaces,
    serviceAccounts: form.serviceAccounts,
    ...(namespaceSelector !== undefined && { namespaceSelector }),
  };
}

function selection({ selector, conflictPolicy }: Form): Fields {
  return {
    ...(selector.length > 0 && { namespaceSelector: labelSelector(selector) }),
    ...(conflictPolicy !== "never" && { conflictPolicy }),
  };
}

function labelSelector(selector: Requirement[]): Fields {
  // A map has a key once; the same key again says the same as an expression.
  const isLabel = ({ key, operator }: Requirement, at: number) =>
    operator === "=" && selector.findIndex((other) => other.operator === "=" && other.key === key) === at;
  const labels = selector.filter(isLabel);
  const expressions = selector
    .filter((requirement, at) => !isLabel(requirement, at))
    .map((requirement) => (requirement.operator === "=" ? { ...requirement, operator: "In" } : requirement));
  return {
    ...(labels.length > 0 && { matchLabels: Object.fromEntries(labels.map(({ key, values }) => [key, values])) }),
    ...(expressions.length > 0 && {
      matchExpressions: expressions.map(({ key, operator, values }) => ({
        key,
        operator,
        ...(operator.endsWith("In") && { values: values.split(",").map((value) => value.trim()).filter((value) => value !== "") }),
      })),
    }),
  };
}

/** Whether the object leads to a Secret. */
export function hasSecret({ source, credentialType }: Form): boolean {
  return source === "docker" || credentialType !== "none";
}

function instance(form: Form): Fields {
  const credential = {
    ...(form.credentialType !== "longterm" && { type: form.credentialType }),
    ...(form.credentialType === "serviceAccount" && {
      registryNamespaces: lines(form.registryNamespaces),
      ...(form.validity && { validity: form.validity }),
      ...(!form.sharedAccount && { shared: false }),
    }),
    // What the form does not show then.
    ...(hasSecret(form) && {
      ...(form.description && { description: form.description }),
      ...(form.credentialType !== "serviceAccount" && form.rotateAfter && { rotateAfter: form.rotateAfter }),
      ...(form.onDelete && { onDelete: form.onDelete }),
    }),
  };
  const domains = domainList(form.defaultDomain, form.vpcDomain, form.customDomains);
  const privateDomains = domainList(form.privateDefaultDomain, form.privateVpcDomain, form.privateCustomDomains);
  const privateNetwork = {
    ...(form.resolve && { resolve: true }),
    ...(form.vpcId && { vpcId: form.vpcId }),
    ...(lines(form.vpcIds).length > 0 && { vpcIds: lines(form.vpcIds) }),
    ...(form.address && { address: form.address }),
    ...(!isDefault(privateDomains, ["default", "vpc"]) && { domains: privateDomains }),
    ...(form.whenLinkDown !== "Keep" && { whenLinkDown: form.whenLinkDown }),
  };
  return {
    instanceId: form.instanceId,
    region: form.region,
    ...(form.roleArn && { roleArn: form.roleArn }),
    ...(Object.keys(credential).length > 0 && { credential }),
    ...(hasSecret(form) && !isDefault(domains, ["default", "vpc"]) && { domains }),
    ...(hasSecret(form) && lines(form.aliases).length > 0 && { aliases: lines(form.aliases) }),
    ...(Object.keys(privateNetwork).length > 0 && { privateNetwork }),
  };
}

function docker({ server, username, passwordFrom, password, secretName, secretKey }: Form) {
  return {
    server,
    username,
    ...(passwordFrom === "plain" ? { password } : { passwordSecretRef: { name: secretName, key: secretKey } }),
  };
}

function domainList(isDefaultOn: boolean, isVpcOn: boolean, custom: string): string[] {
  return [...(isDefaultOn ? ["default"] : []), ...(isVpcOn ? ["vpc"] : []), ...lines(custom)];
}

function isDefault(list: string[], usual: string[]): boolean {
  return list.length === usual.length && list.every((item, at) => item === usual[at]);
}
