/** The JSON patch (RFC 6902) between two objects. */

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

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function escape(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}
