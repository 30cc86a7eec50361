/** The policy's own code: wasm, made from the crates `policy` and `tcr`. */
import {
  type Cluster,
  defaultDescription,
  evaluate,
  findings as findingsOf,
  hostsEntryProblem,
  initSync,
  requests,
  secretName,
  settingsMistakes,
} from "policy-module/policy.js";
import base64 from "policy-module/policy_bg.wasm?base64";

export { type Cluster, defaultDescription, evaluate, hostsEntryProblem, requests, secretName, settingsMistakes };

/** One mistake or warning: the path of the field, and what is wrong with its value. */
export interface Finding {
  field: string;
  message: string;
}

export interface Findings {
  errors: Finding[];
  warnings: Finding[];
}

/** What the operator allows: the settings allowedRoots, allowedAliases and allowedRoles. */
export interface Allowed {
  roots: string[];
  aliases: string[];
  roles: string[];
}

/** The settings clusterId and clusterRegion; undefined for what is not known to be there or not. */
export interface ClusterSettings {
  id?: string;
  region?: string;
}

/** What admission finds in an ImagePullSecret, field by field. */
export function findings(object: unknown, { roots, aliases, roles }: Allowed, { id, region }: ClusterSettings): Findings {
  return JSON.parse(findingsOf(JSON.stringify(object), roots, aliases, roles, id, region)) as Findings;
}

initSync({ module: Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)) });
