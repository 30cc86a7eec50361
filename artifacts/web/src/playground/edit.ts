/**
 * A patch as an edit of the author's own text: every line that the patch does not touch stays as it was written, and
 * nothing is written anew but what was added.
 */
import { Document as YamlDocument, isCollection, isMap, isScalar, isSeq, type Node, type YAMLMap, type YAMLSeq } from "yaml";
import { read, type Written } from "../documents.ts";
import { diff, type Operation } from "./patch.ts";

/** A span of the text, and what comes in its place. */
interface Edit {
  from: number;
  to: number;
  text: string;
}

/**
 * The text of a document with the patch applied, which leads to `after`; undefined where that cannot be done: what it
 * points at is behind an alias, where a change would show in two places, or it does more than to add and to replace
 * single values.
 */
export function edited(patch: Operation[], written: Written, after: unknown): string | undefined {
  const text = applied(patch, written);
  // Where comments stand between values the tree's ranges are not always the text's: what is read back counts.
  return text?.includes("#") && !isRead(text, after) ? undefined : text;
}

function isRead(text: string, value: unknown): boolean {
  try {
    const [document, ...more] = read(text);
    return more.length === 0 && diff(document?.value, value).length === 0;
  } catch {
    return false;
  }
}

function applied(patch: Operation[], written: Written): string | undefined {
  const { text, start, end } = written;
  let after = "";
  let at = start;
  for (const operation of patch) {
    const edit = editOf(operation, written);
    // Elements that are added to one list follow each other; anything that goes back is nobody's patch.
    if (!edit || edit.from < at) return undefined;
    after += text.slice(at, edit.from) + edit.text;
    at = edit.to;
  }
  return after + text.slice(at, end);
}

function editOf({ op, path, value }: Operation, written: Written): Edit | undefined {
  const steps = path.split("/").slice(1).map(unescape);
  const last = steps.pop();
  const { contents } = written.tree;
  const parent = steps.length === 0 ? contents : written.tree.getIn(steps.map(place), true);
  if (last === undefined || op === "remove" || !isCollection(parent)) return undefined;
  if (isSeq(parent)) return addElement(parent, Number(last) - parent.items.length, value, written);
  if (!isMap(parent)) return undefined;
  return parent.has(last) ? replace(parent.get(last, true), value, written) : addMember(parent, last, value, written);
}

/** `more` elements have been added before this one. */
function addElement(list: YAMLSeq, more: number, value: unknown, written: Written): Edit | undefined {
  if (more < 0) return undefined;
  if (!list.flow) return addLines(list, inLines([value], written), written);
  const comma = more > 0 || list.items.length > 0 ? ", " : "";
  return addInside(list, list.items.at(-1), `${comma}${onOneLine(value, written)}`);
}

function addMember(map: YAMLMap, name: string, value: unknown, written: Written): Edit | undefined {
  if (!map.flow) return addLines(map, inLines({ [name]: value }, written, indentsLists(map, written)), written);
  const last = map.items.at(-1);
  const comma = last ? ", " : "";
  return addInside(map, last?.value ?? last?.key, `${comma}${onOneLine(name, written)}: ${onOneLine(value, written)}`);
}

/** A value on one line is replaced in its place. */
function replace(old: unknown, value: unknown, written: Written): Edit | undefined {
  // A tag is the old value's, and an anchor shows the new one elsewhere too.
  if (!isScalar(old) || !old.range || old.tag || old.anchor) return undefined;
  const [from, to] = old.range;
  if (written.text.slice(from, to).includes("\n")) return undefined;
  // A name without a value may end in its colon, and a comment may follow.
  const before = written.text[from - 1] === ":" ? " " : "";
  const behind = written.text[to] === "#" ? " " : "";
  return { from, to, text: before + onOneLine(value, written) + behind };
}

/** Adds lines after the last of a block, indented as the block is. */
function addLines({ range }: Node, lines: string[], { text }: Written): Edit | undefined {
  if (!range) return undefined;
  const indent = column(range[0], text);
  // What else can stand before a block may belong to it or to its first name.
  if (!/^[ -]*$/.test(text.slice(range[0] - indent, range[0]))) return undefined;
  const at = lineBehind(range[1], text);
  if (at === undefined) return undefined;
  return { from: at, to: at, text: lines.map((line) => `${" ".repeat(indent)}${line}\n`).join("") };
}

/**
 * Where the next line begins: a block ends with its last line. Only a name without a value ends before, and a comment
 * behind the indentation of what follows.
 */
function lineBehind(end: number, text: string): number | undefined {
  const start = end - column(end, text);
  if (/^ *$/.test(text.slice(start, end))) return start;
  const next = text.indexOf("\n", end) + 1;
  return /^\s*(#.*)?$/.test(text.slice(end, next)) ? next : undefined;
}

/** Adds to a collection in brackets, after its last item. */
function addInside({ range }: Node, last: unknown, text: string): Edit | undefined {
  const at = last === undefined ? range && range[0] + 1 : (last as Node).range?.[1];
  return typeof at === "number" ? { from: at, to: at, text } : undefined;
}

function inLines(value: unknown, { tree }: Written, indentSeq = true): string[] {
  return new YamlDocument(value, { version: "1.1", schema: tree.schema }).toString({ lineWidth: 0, indentSeq }).slice(0, -1).split("\n");
}

function onOneLine(value: unknown, { tree }: Written): string {
  const document = new YamlDocument(value, { version: "1.1", schema: tree.schema });
  if (isCollection(document.contents)) document.contents.flow = true;
  const text = document.toString({ lineWidth: 0 }).slice(0, -1);
  // A long text with line breaks is written on several lines, for which there is no room; JSON never is.
  return text.includes("\n") ? JSON.stringify(value) : text;
}

/** Whether the author indents lists below their names; `kubectl` does not. */
function indentsLists(map: YAMLMap, { text }: Written): boolean {
  const list = map.items.find(({ value }) => isSeq(value) && !value.flow && value.range)?.value as YAMLSeq | undefined;
  return !list?.range || !map.range || column(list.range[0], text) > column(map.range[0], text);
}

function column(at: number, text: string): number {
  return at - (text.lastIndexOf("\n", at - 1) + 1);
}

/** Names that are numbers are places in lists. */
function place(name: string): string | number {
  return /^(0|[1-9]\d*)$/.test(name) ? Number(name) : name;
}

function unescape(step: string): string {
  return step.replaceAll("~1", "/").replaceAll("~0", "~");
}
