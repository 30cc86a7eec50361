/** Texts that people write, YAML or JSON, one or several documents, read as `kubectl` and the harness read them. */
import { type Document as YamlDocument, parseAllDocuments, type Tags } from "yaml";

/** One document. */
export interface Document {
  /** Its JSON; the author's own text when it was JSON. */
  json: string;
  value: unknown;
  /** Where it is YAML: what its author wrote, into which a change is written. */
  written?: Written;
}

/** A document of YAML in its text, whose places the tree's ranges are. */
export interface Written {
  text: string;
  start: number;
  end: number;
  tree: YamlDocument;
}

/** Why a text is neither YAML nor JSON, and where. */
export class Unreadable extends Error {
  constructor(
    message: string,
    readonly line?: number,
  ) {
    super(message);
  }
}

/** YAML 1.1 as Kubernetes' tools mean it: `0644` is octal, a date or `1:30` is a text, and so is every key. */
const KUBERNETES_TAGS = (tags: Tags): Tags =>
  tags.filter(
    (tag) => typeof tag === "string" || !(tag.format === "TIME" || /:(timestamp|binary|omap|pairs|set)$/.test(tag.tag)),
  );

/** All documents of a text; empty ones are left out. Throws {@link Unreadable}. */
export function read(text: string): Document[] {
  return /^\s*[{[]/.test(text) ? readJson(text) : readYaml(text);
}

function readYaml(text: string): Document[] {
  const documents = parseAllDocuments(text, { version: "1.1", customTags: KUBERNETES_TAGS, stringKeys: true });
  if (!Array.isArray(documents)) return [];
  const lines = text.endsWith("\n") ? text : `${text}\n`;
  return documents.flatMap((tree, at) => {
    const error = tree.errors[0];
    // The message's own drawing of the line is left out: the editor shows the text.
    if (error) throw new Unreadable(`not YAML: ${error.message.split("\n")[0]?.replace(/:$/, "")}`, error.linePos?.[0].line);
    try {
      const value: unknown = tree.toJS();
      if (value === null) return [];
      // Comments before a document are its own, though the tree's ranges leave them out.
      const written = { text: lines, start: documents[at - 1]?.range[2] ?? 0, end: documents[at + 1] ? tree.range[2] : lines.length, tree };
      return [{ json: JSON.stringify(value, finite), value, written }];
    } catch (cause) {
      throw new Unreadable(`not YAML: ${(cause as Error).message}`);
    }
  });
}

/** JSON would say null for what it cannot say. */
function finite(_: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error(`value ${value} is not a finite number`);
  return value;
}

/** JSON documents one after another, as `kubectl get -o json` and logs have them. */
function readJson(text: string): Document[] {
  const documents: Document[] = [];
  let at = 0;
  while (/\S/.test(text.slice(at))) {
    const end = endOfValue(text, at);
    const json = text.slice(at, end).trim();
    try {
      documents.push({ json, value: JSON.parse(json) });
    } catch (cause) {
      throw new Unreadable(`not JSON: ${(cause as Error).message}`, text.slice(0, at).split("\n").length);
    }
    at = end;
  }
  return documents;
}

/** Where the object or list that begins at or after `at` ends; the end of the text when it does not. */
function endOfValue(text: string, at: number): number {
  let depth = 0;
  for (const token of text.slice(at).matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/gs)) {
    if (token[0] === "{" || token[0] === "[") depth++;
    else if (token[0] === "}" || token[0] === "]") depth--;
    else continue;
    if (depth === 0) return at + token.index + 1;
  }
  return text.length;
}
