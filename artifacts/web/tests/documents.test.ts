/** How texts are read. Needs no browser. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { read } from "../src/documents.ts";
import { complaint, run } from "./harness.ts";

/** The identifier that the harness gives to a manifest's request is made from the manifest's JSON. */
function uid(json: string): string {
  const digest = createHash("sha256").update(`Create ${json}`).digest("hex");
  return [digest.slice(0, 8), digest.slice(8, 12), `4${digest.slice(12, 15)}`, `8${digest.slice(15, 18)}`, digest.slice(18, 30)].join("-");
}

const SCALARS = [
  "0644", "yes", "no", "on", "off", "y", "True", "~", "Null", "1_000", "0x1F", "0b11", ".5", "+3", "-0", "0.1", "12345678901234567890123",
  "2026-01-02", "1:30", "190:20:30", '"a\\u00e9"', "'it''s'", "!!str 5", "!custom x", "=", "<<", "[a, b,]", "{y: 1, on: 2, 0644: 3}",
];

describe("documents", () => {
  test("are read as the harness reads them", () => {
    const manifest = (scalar: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\nx: ${scalar}\n`;
    const answers = run(SCALARS.map(manifest).join("---\n"), "");
    const found = SCALARS.map((scalar) => read(manifest(scalar))[0]?.json ?? "");
    assert.deepEqual(
      found.map((json, at) => [SCALARS[at], uid(json)]),
      answers.map((answer, at) => [SCALARS[at], answer.uid]),
    );
    for (const scalar of [".inf", "[1, .nan]"]) {
      assert.throws(() => read(manifest(scalar)), { message: /^not YAML: value .* is not a finite number/ });
      assert.match(complaint(manifest(scalar), ""), /not YAML: value .* is not a finite number/);
    }
  });

  test("several documents keep their order and that of their members", () => {
    const documents = read("---\nz: 1\na: {y: null, b: [x, 1.5, true]}\n---\n# empty\n---\nmode: 0644\n");
    assert.deepEqual(documents.map(({ json }) => json), ['{"z":1,"a":{"y":null,"b":["x",1.5,true]}}', '{"mode":420}']);
  });

  test("json is taken as it is written", () => {
    const documents = read('{"a": 1.0, "b": "} \\" {"}\n {"b":[ ]}');
    assert.deepEqual(documents.map(({ json }) => json), ['{"a": 1.0, "b": "} \\" {"}', '{"b":[ ]}']);
  });

  test("says where a text goes wrong", () => {
    assert.throws(() => read("a: 1\nb: [1\nc: 2"), { line: 3, message: /^not YAML: / });
    assert.throws(() => read('{"a": 1}\n{"a": 1 2}'), { message: /^not JSON: / });
    assert.throws(() => read("a: 1\na: 2"), { message: /^not YAML: .*unique/ });
  });

  test("dates and times are texts, and anchors are followed", () => {
    const [document] = read("date: 2026-01-02\ntime: 12:30:45\nbase: &b {x: 1}\nuse: {<<: *b, y: 2}\n");
    assert.deepEqual(document?.value, { date: "2026-01-02", time: "12:30:45", base: { x: 1 }, use: { x: 1, y: 2 } });
  });
});
