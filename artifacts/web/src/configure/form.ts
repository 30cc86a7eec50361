/** The parameters of the add-on as the form holds them: what stands in the fields, right or wrong. */
import { WORDS } from "../settings.ts";

/** A condition on the labels of a Namespace; `=` stands for an entry of matchLabels. */
export interface Requirement {
  key: string;
  operator: "=" | "In" | "NotIn" | "Exists" | "DoesNotExist";
  /** One value, or several joined by commas. */
  values: string;
}

/** An entry of `tenants`: lists have one on each line, labels as `key=value`. */
export interface Tenant {
  name: string;
  users: string;
  groups: string;
  namespaces: string;
  namespaceLabels: string;
  registryNamespaces: string;
  instanceIds: string;
  roleArns: string;
  conflictPolicies: string;
}

/** The lists of a tenant, in the order in which they are documented. */
export const TENANT_LISTS = ["users", "groups", "namespaces", "namespaceLabels", "registryNamespaces", "instanceIds", "roleArns", "conflictPolicies"] as const;

export interface Form {
  name: string;
  source: "tcr" | "docker";
  instanceId: string;
  region: string;
  roleArn: string;
  clusterId: string;
  /** Empty: that of the instance. */
  clusterRegion: string;
  namespaces: string;
  serviceAccounts: string;
  selector: Requirement[];
  conflictPolicy: "never" | "adopt" | "overwrite";
  credentialType: "longterm" | "temp" | "serviceAccount" | "none";
  /** One on each line. */
  registryNamespaces: string;
  validity: string;
  sharedAccount: boolean;
  description: string;
  rotateAfter: string;
  /** Empty: the default of the credential's type. */
  onDelete: "" | "Retain" | "Revoke";
  defaultDomain: boolean;
  vpcDomain: boolean;
  /** Here and in other lists: one on each line. */
  customDomains: string;
  aliases: string;
  resolve: boolean;
  vpcId: string;
  /** One on each line. */
  vpcIds: string;
  address: string;
  privateDefaultDomain: boolean;
  privateVpcDomain: boolean;
  privateCustomDomains: string;
  whenLinkDown: "Keep" | "Remove";
  server: string;
  username: string;
  passwordFrom: "secret" | "plain";
  password: string;
  secretName: string;
  secretKey: string;
  /** `ADDRESS DOMAIN`; a line that begins with # is switched off. */
  hostsEntries: string;
  policyModule: string;
  mode: "protect" | "monitor";
  failurePolicy: "Ignore" | "Fail";
  discover: boolean;
  registryHosts: string;
  onDiscoveryFailure: (typeof WORDS.onDiscoveryFailure)[number];
  declared: (typeof WORDS.declared)[number];
  protect: (typeof WORDS.protect)[number];
  allowedRoots: string;
  allowedAliases: string;
  allowedRoles: string;
  controllerUsernames: string;
  tenants: Tenant[];
}

/** The add-on's defaults. */
export function initialForm(): Form {
  return {
    name: "demo",
    source: "tcr",
    instanceId: "",
    region: "",
    roleArn: "",
    clusterId: "",
    clusterRegion: "",
    namespaces: "*",
    serviceAccounts: "*",
    selector: [],
    conflictPolicy: "never",
    credentialType: "longterm",
    registryNamespaces: "",
    validity: "",
    sharedAccount: true,
    description: "",
    rotateAfter: "",
    onDelete: "",
    defaultDomain: true,
    vpcDomain: true,
    customDomains: "",
    aliases: "",
    resolve: false,
    vpcId: "",
    vpcIds: "",
    address: "",
    privateDefaultDomain: true,
    privateVpcDomain: true,
    privateCustomDomains: "",
    whenLinkDown: "Keep",
    server: "",
    username: "",
    passwordFrom: "secret",
    password: "",
    secretName: "",
    secretKey: "password",
    hostsEntries: "",
    policyModule: "",
    mode: "protect",
    failurePolicy: "Ignore",
    discover: true,
    registryHosts: "",
    onDiscoveryFailure: "allow",
    declared: "warn",
    protect: "warn",
    allowedRoots: "tencentcloudcr.com",
    allowedAliases: "",
    allowedRoles: "",
    controllerUsernames: "system:serviceaccount:tcr-assistant-system:tcr-assistant-manager",
    tenants: [],
  };
}

/** What differs from the defaults, without anything that a password may stand in; null for nothing. */
export function toLink(form: Form): Partial<Form> | null {
  const { password: _, ...rest } = form;
  const safe: Partial<Form> = {
    ...rest,
    server: rest.server.replace(/^.*@/s, ""),
    username: rest.username.replace(/:.*$/s, ""),
    policyModule: rest.policyModule.replace(/\/\/.*@(?!sha256:)/s, "//"),
  };
  const initial = initialForm();
  const changed = Object.entries(safe).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(initial[name as keyof Form]),
  );
  return changed.length > 0 ? Object.fromEntries(changed) : null;
}

/** A link may come from anywhere: only known fields of their own type are taken. */
export function fromLink(state: unknown): Form {
  const form = initialForm();
  if (typeof state !== "object" || state === null) return form;
  const known = Object.entries(state).filter(([name, value]) => {
    if (name === "password" || !Object.hasOwn(form, name)) return false;
    if (name === "selector") return Array.isArray(value) && value.every(isRequirement);
    if (name === "tenants") return Array.isArray(value) && value.every(isTenant);
    const choices = CHOICES[name as keyof typeof CHOICES] as readonly unknown[] | undefined;
    return choices ? choices.includes(value) : typeof value === typeof form[name as keyof Form];
  });
  return { ...form, ...Object.fromEntries(known) };
}

/** Values of the fields that are choices. */
export const CHOICES = {
  source: ["tcr", "docker"],
  conflictPolicy: ["never", "adopt", "overwrite"],
  credentialType: ["longterm", "temp", "serviceAccount", "none"],
  onDelete: ["", "Retain", "Revoke"],
  whenLinkDown: ["Keep", "Remove"],
  passwordFrom: ["secret", "plain"],
  mode: ["protect", "monitor"],
  failurePolicy: ["Ignore", "Fail"],
  ...WORDS,
} as const;

export const OPERATORS = ["=", "In", "NotIn", "Exists", "DoesNotExist"] as const;

function isRequirement(value: unknown): value is Requirement {
  if (typeof value !== "object" || value === null) return false;
  const { key, operator, values } = value as Record<string, unknown>;
  return typeof key === "string" && typeof values === "string" && OPERATORS.some((known) => known === operator);
}

function isTenant(value: unknown): value is Tenant {
  if (typeof value !== "object" || value === null) return false;
  const parts = value as Record<string, unknown>;
  const names = ["name", ...TENANT_LISTS];
  return names.every((name) => typeof parts[name] === "string") && Object.keys(parts).every((name) => names.includes(name));
}

/** The lines of a list that have something on them. */
export function lines(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}
