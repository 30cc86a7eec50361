/** From what exists to the form: an ImagePullSecret, or the values of the original add-on. */
import { read } from "../documents.ts";
import { WORDS } from "../settings.ts";
import { type Form, initialForm, type Requirement, type Tenant } from "./form.ts";
import { roleLine } from "./objects.ts";

/** One thing that the form can start from. */
export interface Candidate {
  name: string;
  form: Form;
  /** What its status says of the private link of the cluster it is from. */
  link?: Link;
  /** Its ImagePullSecret as it was written, for admission's opinion of what the form does not hold. */
  object?: unknown;
}

export interface Link {
  summary: string;
  message: string;
}

type Fields = Record<string, unknown>;

/**
 * All ImagePullSecrets of a text: objects themselves (YAML, JSON, Lists), or values of the chart or of the original
 * add-on, plain or as RawValues (base64 of JSON). Throws `Unreadable`.
 */
export function candidates(text: string): Candidate[] {
  return read(decoded(text)).flatMap(({ value }) => ofValue(value));
}

/** RawValues of TKE's InstallAddon and DescribeAddon are JSON in base64. */
function decoded(text: string): string {
  const compact = text.replace(/\s+/g, "").replace(/^"(.*)"$/s, "$1");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(compact) || compact.length < 8) return text;
  try {
    const plain = new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(atob(compact), (c) => c.charCodeAt(0)));
    return /^\s*\{/.test(plain) ? plain : text;
  } catch {
    return text;
  }
}

function ofValue(value: unknown): Candidate[] {
  if (!isFields(value)) return [];
  if (value.kind === "ImagePullSecret") return [ofObject(value)];
  if (Array.isArray(value.items)) return value.items.flatMap(ofValue);
  // DescribeAddon's answer, and values that are wrapped in it.
  if (typeof value.RawValues === "string") return candidates(value.RawValues);
  return ofValues(value);
}

function ofObject(object: Fields): Candidate {
  const spec = fields(object.spec);
  const name = text(fields(object.metadata).name);
  const link = linkOf(fields(object.status));
  return { name, object, ...(link && { link }), form: { ...initialForm(), name, ...selectionOf(spec), ...credentialOf(spec) } };
}

function linkOf(status: Fields): Link | undefined {
  const condition = list(status.conditions).map(fields).find(({ type }) => type === "PrivateLink");
  return condition && { summary: text(fields(status.privateLink).summary) || text(condition.reason), message: text(condition.message) };
}

function ofValues(values: Fields): Candidate[] {
  const global = fields(values.global);
  const cluster = fields(global.cluster);
  const region = text(cluster.longregion);
  const shared: Partial<Form> = {
    clusterId: text(cluster.id),
    hostsEntries: list(global.hosts).map(hostsLine).join("\n"),
    ...policyOf(values),
    tenants: list(values.tenants).map(fields).map(tenantOf),
  };
  const statics = list(global.imagePullSecretsCrs).map(fields).map((entry) => {
    const docker = {
      server: entry.dockerServer,
      username: String(entry.dockerUsername ?? ""),
      password: entry.dockerPassword,
      passwordSecretRef: entry.dockerPasswordSecretRef,
    };
    return { name: text(entry.name), spec: { ...entry, docker } as Fields };
  });
  const instances = list(values.instances).map(fields).map((entry) => ({
    name: text(entry.name) || text(entry.instanceId),
    spec: { ...entry, tcr: { ...entry, region: entry.region ?? region } } as Fields,
  }));
  const hosts = list(global.hosts).map(fields).map(({ domain }) => text(domain));
  if (statics.length === 0 && instances.length === 0 && hosts.length > 0) return [ofHosts(hosts, region, shared)];
  return [...statics, ...instances].map(({ name, spec }) => {
    const credential = credentialOf(spec);
    const clusterRegion = credential.source === "tcr" && credential.region !== region ? region : "";
    return { name, form: { ...initialForm(), ...shared, clusterRegion, name, ...selectionOf(spec), ...credential } };
  });
}

/** Names and addresses alone: private resolution without a credential. The addresses stay; the link may take their place. */
function ofHosts(hosts: string[], region: string, shared: Partial<Form>): Candidate {
  const [first = ""] = hosts;
  const isPrivate = (host: string) => /^[^.]+-vpc\./.test(host);
  const name = (first.split(".")[0] ?? "").replace(/-vpc$/, "");
  const form: Form = {
    ...initialForm(),
    ...shared,
    name,
    region,
    credentialType: "none",
    resolve: true,
    privateDefaultDomain: hosts.some((host) => !isPrivate(host)),
    privateVpcDomain: hosts.some(isPrivate),
  };
  return { name, form };
}

function selectionOf(spec: Fields): Partial<Form> {
  const { matchLabels, matchExpressions } = fields(spec.namespaceSelector);
  const labels = Object.entries(fields(matchLabels)).map(([key, value]): Requirement => ({ key, operator: "=", values: text(value) }));
  const expressions = list(matchExpressions).map(fields).map((entry): Requirement => ({
    key: text(entry.key),
    operator: choice(entry.operator, ["In", "NotIn", "Exists", "DoesNotExist"], "In"),
    values: list(entry.values).map(text).join(", "),
  }));
  return {
    // Empty means all, for the original too.
    namespaces: text(spec.namespaces) || "*",
    serviceAccounts: text(spec.serviceAccounts) || "*",
    selector: [...labels, ...expressions],
    conflictPolicy: choice(spec.conflictPolicy, ["never", "adopt", "overwrite"], "never"),
  };
}

function credentialOf(spec: Fields): Partial<Form> {
  if (isFields(spec.docker)) {
    const { server, username, password, passwordSecretRef } = spec.docker;
    const reference = fields(passwordSecretRef);
    return {
      source: "docker",
      server: text(server),
      username: text(username),
      password: text(password),
      passwordFrom: isFields(passwordSecretRef) ? "secret" : "plain",
      ...(isFields(passwordSecretRef) && { secretName: text(reference.name), secretKey: text(reference.key) }),
    };
  }
  const tcr = fields(spec.tcr);
  const credential = fields(tcr.credential);
  const network = fields(tcr.privateNetwork);
  const domains = domainsOf(tcr.domains);
  const privateDomains = domainsOf(network.domains);
  return {
    source: "tcr",
    instanceId: text(tcr.instanceId),
    region: text(tcr.region),
    roleArn: text(tcr.roleArn),
    credentialType: choice(credential.type, ["longterm", "temp", "serviceAccount", "none"], "longterm"),
    registryNamespaces: list(credential.registryNamespaces).map(text).join("\n"),
    validity: text(credential.validity),
    sharedAccount: credential.shared !== false,
    description: text(credential.description),
    rotateAfter: text(credential.rotateAfter),
    onDelete: choice(credential.onDelete, ["", "Retain", "Revoke"], ""),
    defaultDomain: domains.includes("default"),
    vpcDomain: domains.includes("vpc"),
    customDomains: customOf(domains),
    aliases: list(tcr.aliases).map(text).join("\n"),
    resolve: network.resolve === true,
    vpcId: text(network.vpcId),
    vpcIds: list(network.vpcIds).map(text).join("\n"),
    address: text(network.address),
    privateDefaultDomain: privateDomains.includes("default"),
    privateVpcDomain: privateDomains.includes("vpc"),
    privateCustomDomains: customOf(privateDomains),
    whenLinkDown: choice(network.whenLinkDown, ["Keep", "Remove"], "Keep"),
  };
}

/** The chart's values have the policy's settings too. */
function policyOf(values: Fields): Partial<Form> {
  const { policy } = values;
  // As the chart's value allows the Personal Edition.
  const personal = values.personalEdition === true ? ["ccs.tencentyun.com"] : [];
  const roots = [...(list(values.allowedRoots).length > 0 ? list(values.allowedRoots).map(text) : ["tencentcloudcr.com"]), ...personal];
  const roles = list(values.allowedRoles).map((role) => {
    const { roleArn, externalId, providerId } = fields(role);
    return roleLine({ roleArn: text(roleArn), externalId: text(externalId), providerId: text(providerId) });
  });
  const allowed = { allowedRoots: roots.join("\n"), allowedAliases: list(values.allowedAliases).map(text).join("\n"), allowedRoles: roles.join("\n") };
  if (!isFields(policy)) return allowed;
  const usernames = list(policy.controllerUsernames).map(text);
  return {
    ...allowed,
    ...(usernames.length > 0 && { controllerUsernames: usernames.join("\n") }),
    mode: choice(policy.mode, ["protect", "monitor"], "protect"),
    discover: policy.discover !== false,
    registryHosts: list(fields(list(policy.registries)[0]).hosts).map(text).join("\n"),
    onDiscoveryFailure: choice(policy.onDiscoveryFailure, WORDS.onDiscoveryFailure, "allow"),
    declared: choice(policy.declared, WORDS.declared, "warn"),
    // YAML 1.1 reads a bare off as false.
    protect: policy.protect === false ? "off" : choice(policy.protect, WORDS.protect, "warn"),
    failurePolicy: choice(fields(values.webhook).failurePolicy, ["Ignore", "Fail"], "Ignore"),
  };
}

function tenantOf(entry: Fields): Tenant {
  const all = (part: string) => list(entry[part]).map(text).join("\n");
  return {
    name: text(entry.name),
    users: all("users"),
    groups: all("groups"),
    namespaces: all("namespaces"),
    namespaceLabels: Object.entries(fields(entry.namespaceLabels)).map(([key, value]) => `${key}=${text(value)}`).join("\n"),
    registryNamespaces: all("registryNamespaces"),
    instanceIds: all("instanceIds"),
    roleArns: all("roleArns"),
    conflictPolicies: all("conflictPolicies"),
  };
}

function domainsOf(value: unknown): string[] {
  return value === undefined || value === null ? ["default", "vpc"] : list(value).map(text);
}

function customOf(domains: string[]): string {
  return domains.filter((domain) => domain !== "default" && domain !== "vpc").join("\n");
}

function hostsLine(entry: unknown): string {
  const { domain, ip, disabled, vpcId } = fields(entry);
  return `${disabled === true ? "# " : ""}${text(ip)} ${text(domain)}${vpcId === undefined ? "" : ` ${text(vpcId)}`}`;
}

function choice<T extends string>(value: unknown, choices: readonly T[], usual: T): T {
  return choices.find((choice) => choice === value) ?? usual;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function fields(value: unknown): Fields {
  return isFields(value) ? value : {};
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
