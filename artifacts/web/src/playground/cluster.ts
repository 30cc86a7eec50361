/** The documents of the playground as the cluster: what the policy asks for is looked up among them. */
import type { Document } from "../documents.ts";
import type { Cluster } from "../policy.ts";

interface Question {
  api_version: string;
  kind: string;
  name?: string;
  namespace?: string | null;
}

interface Named {
  apiVersion?: unknown;
  kind?: unknown;
  metadata?: { name?: unknown; namespace?: unknown };
}

/** Answers `get_resource` and `list_resources_all`; a list may be empty, an object may be missing. */
export function clusterOf(documents: Document[]): Cluster {
  const objects = documents.flatMap(({ value }) => objectsOf(value));
  return {
    ask(operation, request) {
      const { api_version, kind, name, namespace } = JSON.parse(request) as Question;
      const ofKind = objects.filter((object) => object.apiVersion === api_version && object.kind === kind);
      if (operation === "list_resources_all") {
        return JSON.stringify({ apiVersion: api_version, kind: `${kind}List`, metadata: {}, items: ofKind });
      }
      const found = ofKind.find(
        ({ metadata }) => metadata?.name === name && (!namespace || (metadata?.namespace ?? "default") === namespace),
      );
      if (!found) throw new Error(`there is no ${kind} "${name}" among the documents`);
      return JSON.stringify(found);
    },
  };
}

function objectsOf(value: unknown): Named[] {
  if (typeof value !== "object" || value === null) return [];
  const { items } = value as { items?: unknown };
  return Array.isArray(items) ? items.flatMap(objectsOf) : [value as Named];
}
