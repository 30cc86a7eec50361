/** What admission says about a form, field by field. */
import { type Allowed, type Finding, findings, hostsEntryProblem, settingsMistakes } from "../policy.ts";
import { type Form, lines } from "./form.ts";
import { hostsEntries, imagePullSecret, rolesOf, settings } from "./objects.ts";

/** A field of the form, or a group of them. */
export type Field = keyof Form | "domains" | "privateDomains" | "object";

export interface Remark {
  field: Field;
  /** The sentence with the path, as admission writes it. */
  sentence: string;
  /** The sentence without the path, for beside the field. */
  message: string;
}

export interface Judgement {
  /** Of the ImagePullSecret. */
  errors: Remark[];
  warnings: Remark[];
  /** Of the settings of the policy, and of the entries for hosts files. */
  settingsErrors: Remark[];
  hostsErrors: Remark[];
}

/** Paths of objects and settings, and the field of the form that they stand in. The first that fits counts. */
const FIELDS: [path: string, field: Field][] = [
  ["metadata.name", "name"],
  ["spec.namespaces", "namespaces"],
  ["spec.serviceAccounts", "serviceAccounts"],
  ["spec.namespaceSelector", "selector"],
  ["spec.conflictPolicy", "conflictPolicy"],
  ["spec.tcr.instanceId", "instanceId"],
  ["spec.tcr.region", "region"],
  ["spec.tcr.roleArn", "roleArn"],
  ["spec.tcr.credential.type", "credentialType"],
  ["spec.tcr.credential.description", "description"],
  ["spec.tcr.credential.registryNamespaces", "registryNamespaces"],
  ["spec.tcr.credential.validity", "validity"],
  ["spec.tcr.credential.shared", "sharedAccount"],
  ["spec.tcr.credential.rotateAfter", "rotateAfter"],
  ["spec.tcr.credential.onDelete", "onDelete"],
  ["spec.tcr.domains", "domains"],
  ["spec.tcr.aliases", "aliases"],
  ["spec.tcr.privateNetwork.resolve", "resolve"],
  ["spec.tcr.privateNetwork.vpcId", "vpcId"],
  ["spec.tcr.privateNetwork.vpcIds", "vpcIds"],
  ["spec.tcr.privateNetwork.address", "address"],
  ["spec.tcr.privateNetwork.domains", "privateDomains"],
  ["spec.tcr.privateNetwork.whenLinkDown", "whenLinkDown"],
  ["spec.docker.server", "server"],
  ["spec.docker.username", "username"],
  ["spec.docker.passwordSecretRef.name", "secretName"],
  ["spec.docker.passwordSecretRef.key", "secretKey"],
  ["spec.docker.password", "password"],
  ["spec.docker", "password"],
  ["registries[0].name", "name"],
  ["registries[0].hosts", "registryHosts"],
  ["registries[0].namespaces", "namespaces"],
  ["registries[0].serviceAccounts", "serviceAccounts"],
  ["registries[0].namespaceSelector", "selector"],
  ["allowedRoots", "allowedRoots"],
  ["allowedAliases", "allowedAliases"],
  ["allowedRoles", "allowedRoles"],
  ["controllerUsernames", "controllerUsernames"],
  ["clusterId", "clusterId"],
  ["clusterRegion", "clusterRegion"],
  ["tenants", "tenants"],
];

/** What the form's lists allow. */
export function allowedBy(form: Form): Allowed {
  return { roots: lines(form.allowedRoots), aliases: lines(form.allowedAliases), roles: rolesOf(form).map(({ roleArn }) => roleArn) };
}

export function judge(form: Form): Judgement {
  const { errors, warnings } = findings(imagePullSecret(form), allowedBy(form), { id: form.clusterId, region: form.clusterRegion });
  return {
    errors: errors.map(remark),
    warnings: warnings.map(remark),
    settingsErrors: settingsMistakes(JSON.stringify(settings(form))).map((sentence) => {
      const [path = "", ...rest] = sentence.split(": ");
      return remark({ field: path, message: rest.join(": ") });
    }),
    hostsErrors: hostsEntries(form).flatMap(({ domain, ip }) => {
      const problem = hostsEntryProblem(domain, ip);
      return problem ? [remarkOn("hostsEntries", problem)] : [];
    }),
  };
}

function remark({ field: path, message }: Finding): Remark {
  const known = FIELDS.find(([prefix]) => path === prefix || path.startsWith(`${prefix}.`) || path.startsWith(`${prefix}[`));
  const field = known?.[1] ?? "object";
  const sentence = `${path}: ${message}`;
  // Which part of which tenant it is about only the path says.
  return { field, sentence, message: field === "tenants" ? sentence : message };
}

function remarkOn(field: Field, sentence: string): Remark {
  return { field, sentence, message: sentence };
}
