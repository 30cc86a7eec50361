/** The policy's settings. Printed by `./justw generate` from policy/src/settings/declared.rs; change it there. */

/** Every setting, in the order in which they are documented. */
export const SETTINGS = [
  "registries",
  "discover",
  "onDiscoveryFailure",
  "declared",
  "protect",
  "allowedRoots",
  "allowedAliases",
  "allowedRoles",
  "controllerUsernames",
  "clusterId",
  "clusterRegion",
  "tenants",
] as const;

/** What those that are a choice may say. */
export const WORDS = {
  onDiscoveryFailure: ["allow", "reject"],
  declared: ["ignore", "warn", "reject"],
  protect: ["off", "warn", "reject"],
} as const;
