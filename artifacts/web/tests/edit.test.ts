/** How a change is written into the author's own text. Needs no browser. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { read } from "../src/documents.ts";
import { edited } from "../src/playground/edit.ts";
import { diff } from "../src/playground/patch.ts";

interface Specified {
  spec: { imagePullSecrets?: unknown[] | null };
}

/** The text with entries added to `spec.imagePullSecrets`, as the policy adds them; undefined where that cannot be done. */
function withSecrets(text: string, names = ["tcr"], which = 0): string | undefined {
  const document = read(text)[which];
  assert.ok(document?.written, "not YAML");
  const after = structuredClone(document.value) as Specified;
  after.spec.imagePullSecrets = [...(after.spec.imagePullSecrets ?? []), ...names.map((name) => ({ name }))];
  const changed = edited(diff(document.value, after), document.written, after);
  if (changed !== undefined) assert.deepEqual(read(changed)[0]?.value, after, changed);
  return changed;
}

/** Before and after. */
const TEXTS: Record<string, [string, string]> = {
  "a block gets lines at its end": ["spec:\n  a: 1\nstatus: {}\n", "spec:\n  a: 1\n  imagePullSecrets:\n    - name: tcr\nstatus: {}\n"],
  "lists are indented as the author's": ["spec:\n  a:\n  - b: 1\n", "spec:\n  a:\n  - b: 1\n  imagePullSecrets:\n  - name: tcr\n"],
  "comments, blank lines and forms stay": [
    "# head\n\nspec:   # a spec\n    a:  'x'\n    b: \"y\" # b\n    # more\n\n# end\nstatus: [ 1,\n  2]\n",
    "# head\n\nspec:   # a spec\n    a:  'x'\n    b: \"y\" # b\n    imagePullSecrets:\n      - name: tcr\n    # more\n\n# end\nstatus: [ 1,\n  2]\n",
  ],
  "blank lines of a text are the text's": ["spec:\n  a: |+\n    x\n\nb: 1\n", "spec:\n  a: |+\n    x\n\n  imagePullSecrets:\n    - name: tcr\nb: 1\n"],
  "a name without a value ends with its line": ["spec:\n  a: # none\nb: 1\n", "spec:\n  a: # none\n  imagePullSecrets:\n    - name: tcr\nb: 1\n"],
  "the last line may lack its end": ["spec:\n  a: 1", "spec:\n  a: 1\n  imagePullSecrets:\n    - name: tcr\n"],
  "a list gets an element": ["spec:\n  imagePullSecrets:\n  - name: own # mine\n  a: 1\n", "spec:\n  imagePullSecrets:\n  - name: own # mine\n  - name: tcr\n  a: 1\n"],
  "a comment below the last element": ["spec:\n  imagePullSecrets:\n    - name: own\n      # mine\n  a: 1\n", "spec:\n  imagePullSecrets:\n    - name: own\n      # mine\n    - name: tcr\n  a: 1\n"],
  "a list in brackets too": ["spec:\n  imagePullSecrets: [{name: own}, ] # mine\n", "spec:\n  imagePullSecrets: [{name: own}, { name: tcr }, ] # mine\n"],
  "an empty list": ["spec:\n  imagePullSecrets: []\n", "spec:\n  imagePullSecrets: [{ name: tcr }]\n"],
  "null, in words": ["spec:\n  imagePullSecrets: null # none\n", "spec:\n  imagePullSecrets: [ { name: tcr } ] # none\n"],
  "null, in none": ["spec:\n  imagePullSecrets:\n  a: 1\n", "spec:\n  imagePullSecrets: [ { name: tcr } ]\n  a: 1\n"],
  "null, in a comment": ["spec:\n  imagePullSecrets: # none\n", "spec:\n  imagePullSecrets: [ { name: tcr } ] # none\n"],
  "a map in brackets": ["spec: {a: {b: 1}}\n", "spec: {a: {b: 1}, imagePullSecrets: [ { name: tcr } ]}\n"],
  "an empty map": ["spec: {}\n", "spec: {imagePullSecrets: [ { name: tcr } ]}\n"],
  "an anchor of the block itself": ["spec: &s\n  a: 1\n", "spec: &s\n  a: 1\n  imagePullSecrets:\n    - name: tcr\n"],
};

describe("a change to the author's text", () => {
  for (const [name, [before, after]] of Object.entries(TEXTS)) {
    test(name, () => assert.equal(withSecrets(before), after));
  }

  test("several entries follow each other", () => {
    assert.equal(withSecrets("spec: {imagePullSecrets: []}", ["a", "b"]), "spec: {imagePullSecrets: [{ name: a }, { name: b }]}\n");
    assert.equal(withSecrets("spec:\n  imagePullSecrets:\n  - name: own", ["a", "b"]), "spec:\n  imagePullSecrets:\n  - name: own\n  - name: a\n  - name: b\n");
    assert.equal(withSecrets("spec: {a: 1}\n", ["a", "b"]), "spec: {a: 1, imagePullSecrets: [ { name: a }, { name: b } ]}\n");
  });

  test("names stay texts, whatever they are", () => {
    assert.equal(withSecrets("spec:\n  a: 1\n", ["1e3", "on"]), 'spec:\n  a: 1\n  imagePullSecrets:\n    - name: "1e3"\n    - name: "on"\n');
    const long = "x ".repeat(40);
    assert.equal(withSecrets("spec: {}\n", [long, "a,\nb"]), `spec: {imagePullSecrets: [ { name: "${long}" }, { name: "a,\\nb" } ]}\n`);
    assert.equal(withSecrets("spec: {}\n", [`${long}\n${long}`]), `spec: {imagePullSecrets: [{"name":"${long}\\n${long}"}]}\n`);
  });

  test("each document has its own lines", () => {
    const text = "# one\nspec:\n  a: 1\n# end\n---\n# two\nspec:\n  b: 2\n";
    const added = "  imagePullSecrets:\n    - name: tcr\n";
    assert.equal(withSecrets(text, ["tcr"], 0), `# one\nspec:\n  a: 1\n${added}# end\n`);
    assert.equal(withSecrets(text, ["tcr"], 1), `---\n# two\nspec:\n  b: 2\n${added}`);
  });

  test("is read back where there are comments", () => {
    const [document] = read("spec:\n  a: 1 # one\n");
    assert.ok(document?.written);
    const patch = [{ op: "add", path: "/spec/b", value: 2 } as const];
    assert.equal(edited(patch, document.written, { spec: { a: 1, b: 2 } }), "spec:\n  a: 1 # one\n  b: 2\n");
    assert.equal(edited(patch, document.written, { spec: { b: 2 } }), undefined);
  });

  test("is not written where it would show in two places, or where a line is not simple", () => {
    assert.equal(withSecrets("a: &s {b: 1}\nspec: *s\n"), undefined);
    assert.equal(withSecrets("spec:\n  &x a: 1\n"), undefined);
    assert.equal(withSecrets("spec: {imagePullSecrets: &n null}\na: *n\n"), undefined);
    assert.equal(withSecrets("spec:\n  <<: {imagePullSecrets: [{name: own}]}\n"), undefined);
    const [document] = read("a: 1\nb: |\n  x\n");
    assert.ok(document?.written);
    assert.equal(edited([{ op: "remove", path: "/a" }], document.written, { b: "x\n" }), undefined);
    assert.equal(edited([{ op: "replace", path: "/b", value: 1 }], document.written, { a: 1, b: 1 }), undefined);
  });
});
