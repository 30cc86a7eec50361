/** What the playground is about: the texts, and how they come to the cluster. */
import { stringify } from "yaml";
import { read } from "../documents.ts";
import type { Action } from "./evaluate.ts";
import { reduce, reduceSettings } from "./reduce.ts";
import { SAMPLE_SETTINGS, SAMPLES, sample } from "./samples.ts";

export interface Trial {
  manifests: string;
  settings: string;
  operation: Action;
  username: string;
}

/** What a link says of it. A sample goes by its name, and a text by what the policy reads of it. */
interface Linked {
  sample?: string;
  documents?: unknown[];
  settings?: unknown;
  operation?: string;
  username?: string;
}

const FIRST_SAMPLE = "pods/tcr-image";
const USERNAME = "kubernetes-admin";
const ACTIONS: Action[] = ["CREATE", "UPDATE", "DELETE"];

export function initialTrial(): Trial {
  return { manifests: sample(FIRST_SAMPLE) ?? "", settings: SAMPLE_SETTINGS, operation: "CREATE", username: USERNAME };
}

export function trialToLink({ manifests, settings, operation, username }: Trial): Linked | null {
  const name = SAMPLES.find((name) => sample(name) === manifests);
  const linked: Linked = {
    ...(name !== undefined ? { sample: name } : documentsOf(manifests)),
    ...(settings !== SAMPLE_SETTINGS && settingsOf(settings)),
    ...(operation !== "CREATE" && { operation }),
    ...(username !== USERNAME && { username }),
  };
  return Object.keys(linked).length > 0 ? linked : null;
}

export function trialFromLink(state: unknown): Trial {
  const initial = initialTrial();
  if (typeof state !== "object" || state === null) return initial;
  const { sample: name, documents, settings, operation, username } = state as Linked;
  return {
    manifests: (name !== undefined && sample(name)) || (Array.isArray(documents) ? written(documents) : initial.manifests),
    settings: settings === undefined ? initial.settings : written([settings]),
    operation: ACTIONS.find((action) => action === operation) ?? "CREATE",
    username: typeof username === "string" ? username : USERNAME,
  };
}

/** A text that cannot be read may be anything, a password too, so nothing of it goes into a link. */
function documentsOf(manifests: string): { documents?: unknown[] } {
  try {
    return { documents: read(manifests).map(({ value }) => reduce(value)) };
  } catch {
    return {};
  }
}

function settingsOf(settings: string): { settings?: unknown } {
  try {
    return { settings: reduceSettings(read(settings)[0]?.value ?? {}) };
  } catch {
    return {};
  }
}

function written(documents: unknown[]): string {
  return documents.map((document) => stringify(document, { lineWidth: 0, version: "1.1" })).join("---\n");
}
