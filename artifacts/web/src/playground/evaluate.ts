/** From texts to answers: each object of the manifests becomes a request, and the policy answers it. */
import { type Document, read } from "../documents.ts";
import { type Cluster, evaluate as ask, requests, settingsMistakes } from "../policy.ts";
import { clusterOf } from "./cluster.ts";
import { edited } from "./edit.ts";
import { diff, type Operation } from "./patch.ts";

export type Action = "CREATE" | "UPDATE" | "DELETE";

/** How the documents come to the cluster. */
export interface Sender {
  operation: Action;
  username: string;
}

/** What the policy says about one object. */
export interface Answer {
  /** Kind, namespace and name. */
  subject: string;
  verdict: "admitted" | "patched" | "refused";
  code?: number;
  /** Why it was refused. */
  message?: string;
  warnings: string[];
  /** What the audit log is told. */
  annotations: [string, string][];
  patch: Operation[];
  /** The object as its author wrote it, and as it is stored. */
  change?: { before: string; after: string };
}

/** A text that cannot be put to the policy. */
export interface Refused {
  mistakes: string[];
}

/** The request of an AdmissionReview as far as it is looked at here. */
interface Request {
  kind?: { kind?: string };
  namespace?: string;
  name?: string;
  uid?: string;
  object?: { metadata?: { generateName?: string } } | null;
}

interface ValidationResponse {
  accepted: boolean;
  message: string | null;
  code: number | null;
  mutated_object: unknown;
  audit_annotations: Record<string, string> | null;
  warnings: string[] | null;
}

/** The settings as JSON, or what is wrong with them. Throws `Unreadable`. */
export function readSettings(text: string): string | Refused {
  const documents = read(text);
  if (documents.length > 1) return { mistakes: [`${documents.length} documents where one was expected`] };
  const json = documents[0]?.json ?? "{}";
  const mistakes = settingsMistakes(json);
  return mistakes.length > 0 ? { mistakes } : json;
}

/** Puts every object of the documents to the policy. */
export function evaluate(documents: Document[], settings: string, sender: Sender, cluster = clusterOf(documents)): Answer[] {
  return documents.flatMap((document) =>
    requestsOf(document, sender).map((request) => answer(document, request, settings, cluster)),
  );
}

/** A document may be a manifest, a List, an AdmissionReview or a bare request, as for `harness run`. */
function requestsOf({ json, value }: Document, { operation, username }: Sender): string[] {
  const { apiVersion, kind, request, uid, operation: action } = (value ?? {}) as Record<string, unknown>;
  if (kind === "AdmissionReview" || (request !== undefined && typeof kind !== "string")) return [JSON.stringify(request)];
  if (typeof kind !== "string" && typeof apiVersion !== "string" && (uid !== undefined || action !== undefined)) return [json];
  return requests(json, operation, username);
}

function answer(document: Document, json: string, settings: string, cluster: Cluster): Answer {
  const request = JSON.parse(json) as Request;
  const subject = subjectOf(request);
  const response = respond(json, settings, cluster);
  const patch = response.mutated_object === null ? [] : diff(request.object, response.mutated_object);
  return {
    subject,
    verdict: response.accepted ? (patch.length > 0 ? "patched" : "admitted") : "refused",
    ...(response.code !== null && { code: response.code }),
    ...(response.message !== null && { message: response.message }),
    warnings: response.warnings ?? [],
    annotations: Object.entries(response.audit_annotations ?? {}),
    patch,
    ...(patch.length > 0 && { change: changeOf(document, request.object, response.mutated_object, patch) }),
  };
}

/** Where the policy has no verdict, a host answers with these words. */
function respond(request: string, settings: string, cluster: Cluster): ValidationResponse {
  try {
    return JSON.parse(ask(request, settings, cluster)) as ValidationResponse;
  } catch (cause) {
    const message = `internal server error: Guest call failure: ${(cause as Error).message}`;
    return { accepted: false, message, code: 500, mutated_object: null, audit_annotations: null, warnings: null };
  }
}

function subjectOf({ kind, namespace, name, uid, object }: Request): string {
  const prefix = object?.metadata?.generateName;
  const shown = name || (prefix ? `${prefix}*` : "(no name)");
  if (!kind?.kind) return `request ${uid ?? ""}`;
  return namespace ? `${kind.kind} ${namespace}/${shown}` : `${kind.kind} ${shown}`;
}

/** Of YAML, the author's own text with what was added; else JSON on several lines. */
function changeOf({ written, value }: Document, before: unknown, after: unknown, patch: Operation[]) {
  const isWhole = JSON.stringify(value) === JSON.stringify(before);
  const text = written && isWhole ? edited(patch, written, after) : undefined;
  if (written && text !== undefined) return { before: written.text.slice(written.start, written.end), after: text };
  return { before: JSON.stringify(before, null, 2), after: JSON.stringify(after, null, 2) };
}
