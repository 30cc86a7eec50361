/** The samples of `artifacts/samples`, as they are in the repository. */

const files = import.meta.glob<string>("../../../samples/**/*.{yaml,yml}", { query: "?raw", import: "default", eager: true });

const byName = new Map(
  Object.entries(files).map(([path, text]) => [path.replace(/^.*\/samples\//, "").replace(/\.ya?ml$/, ""), text]),
);

/** The settings that the samples are for. */
export const SAMPLE_SETTINGS = byName.get("settings") ?? "";

/** Names of the samples, such as `pods/tcr-image`: Pods first, because they are what the policy is for. */
export const SAMPLES = [...byName.keys()]
  .filter((name) => name !== "settings")
  .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));

export function sample(name: string): string | undefined {
  return byName.get(name);
}

function rank(name: string): number {
  const folder = ["pods", "workloads", "imagepullsecrets"].findIndex((folder) => name.startsWith(`${folder}/`));
  return folder < 0 ? 9 : folder;
}
