/** The JSON patch (RFC 6902) between two objects, and its application to the author's own YAML. */
import { isCollection, isMap, isSeq, type Document as YamlDocument } from "yaml";

export interface Operation {
  op: "add" | "remove" | "replace";
  path: string;
  value?: unknown;
}

/** What leads from one value to another; list elements are compared place by place. */
export function diff(before: unknown, after: unknown, path = ""): Operation[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (Array.isArray(before) && Array.isArray(after)) {
    const both = Math.min(before.length, after.length);
    const operations = before.slice(0, both).flatMap((old, at) => diff(old, after[at], `${path}/${at}`));
    for (let at = before.length - 1; at >= both; at--) operations.push({ op: "remove", path: `${path}/${at}` });
    for (let at = both; at < after.length; at++) operations.push({ op: "add", path: `${path}/${at}`, value: after[at] });
    return operations;
  }
  if (isObject(before) && isObject(after)) {
    const kept = Object.keys(before).flatMap((key) =>
      Object.hasOwn(after, key)
        ? diff(before[key], after[key], `${path}/${escape(key)}`)
        : [{ op: "remove" as const, path: `${path}/${escape(key)}` }],
    );
    const added = Object.keys(after).filter((key) => !Object.hasOwn(before, key));
    return [...kept, ...added.map((key) => ({ op: "add" as const, path: `${path}/${escape(key)}`, value: after[key] }))];
  }
  return [{ op: "replace", path, value: after }];
}

/**
 * The document with the patch applied, its comments, order and forms kept. False where that cannot be done: what it
 * points at is behind an alias, and a change would show in two places.
 */
export function apply(patch: Operation[], document: YamlDocument): boolean {
  return patch.every(({ op, path, value }) => {
    const steps = path.split("/").slice(1).map(unescape);
    const last = steps.pop();
    const parent = steps.length === 0 ? document.contents : document.getIn(steps.map(place), true);
    if (last === undefined || !isCollection(parent)) return false;
    if (isMap(parent)) {
      if (op === "remove") parent.delete(last);
      else parent.set(document.createNode(last), document.createNode(value));
      return true;
    }
    if (!isSeq(parent)) return false;
    const at = Number(last);
    if (op === "add") parent.items.splice(at, 0, document.createNode(value));
    else if (op === "remove") parent.items.splice(at, 1);
    else parent.items[at] = document.createNode(value);
    return true;
  });
}

/** Names that are numbers are places in lists. */
function place(name: string): string | number {
  return /^(0|[1-9]\d*)$/.test(name) ? Number(name) : name;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function escape(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}

function unescape(step: string): string {
  return step.replaceAll("~1", "/").replaceAll("~0", "~");
}
