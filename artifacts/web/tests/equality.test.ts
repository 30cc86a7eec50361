/** The playground says what policy.wasm says: verdict, code, message, warnings, annotations and patch. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { answers, type Opened, paste, ROOT, Stage } from "./browser.ts";
import { type AdmissionResponse, patchOf, run } from "./harness.ts";

const SAMPLES = `${ROOT}artifacts/samples/`;
const settings = readFileSync(`${SAMPLES}settings.yml`, "utf8");
const samples = readdirSync(SAMPLES, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".yaml"))
  .map((name) => name.replace(/\.yaml$/, ""));

let stage: Stage;
/** One page for the samples, as somebody who goes through them. */
let shared: Opened | undefined;
before(async () => void (stage = await Stage.open()));
after(() => stage.close());

/** What the harness says, in the form that the page shows it. */
function shown(response: AdmissionResponse) {
  const patch = patchOf(response);
  return {
    verdict: response.allowed ? (patch.length > 0 ? "patched" : "admitted") : "refused",
    code: response.status?.code?.toString() ?? null,
    message: response.status?.message ?? null,
    warnings: response.warnings ?? [],
    annotations: Object.values(response.auditAnnotations ?? {}),
    patch,
  };
}

describe("answers equal the harness's", () => {
  assert.ok(samples.length > 5, "artifacts/samples has no samples");
  for (const name of samples) {
    test(`sample ${name}`, async () => {
      const { page, complaints } = (shared ??= await stage.visit("#try"));
      await page.selectOption("#sample", name);
      const expected = run(readFileSync(`${SAMPLES}${name}.yaml`, "utf8"), settings).map(shown);
      const found = (await answers(page)).map(({ subject: _, ...answer }) => answer);
      assert.deepEqual(found, expected);
      assert.deepEqual(complaints, []);
    });
  }

  test("several documents, YAML and JSON, in every operation", async () => {
    const { page, context } = await stage.visit("#try");
    const all = samples.map((name) => readFileSync(`${SAMPLES}${name}.yaml`, "utf8")).join("\n---\n");
    const json = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"j","namespace":"shop"},"spec":{"x":1e400,"imagePullSecrets":null,
      "containers":[{"name":"c","image":"demo.tencentcloudcr.com/a/b"}]}}
      {"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"s"}},
      {"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"g-"},"spec":{"imagePullSecrets":[],"containers":[{"image":"demo.tencentcloudcr.com/a"}]}}]}`;
    for (const manifests of [all, json]) {
      await paste(page, "manifests", manifests);
      for (const operation of ["CREATE", "UPDATE", "DELETE"]) {
        await page.selectOption("#operation", operation);
        const expected = run(manifests, settings, "--operation", operation).map(shown);
        const found = (await answers(page)).map(({ subject: _, ...answer }) => answer);
        assert.deepEqual(found, expected, operation);
      }
    }
    await context.close();
  });

  test("settings of every kind", async () => {
    const { page, context } = await stage.visit("#try");
    const manifests = readFileSync(`${SAMPLES}workloads/deployment.yaml`, "utf8");
    await paste(page, "manifests", manifests);
    for (const settings of ["", "declared: reject", "declared: ignore\nregistries: [{name: other, hosts: [demo.tencentcloudcr.com]}]", '{"protect": "off"}']) {
      await paste(page, "settings", settings);
      const found = (await answers(page)).map(({ subject: _, ...answer }) => answer);
      assert.deepEqual(found, run(manifests, settings).map(shown), settings);
    }
    await context.close();
  });

  test("an admission review and a bare request", async () => {
    const { page, context } = await stage.visit("#try");
    const request = {
      uid: "705ab4f5-6393-11e8-b7cc-42010a800002",
      kind: { group: "", version: "v1", kind: "Pod" },
      resource: { group: "", version: "v1", resource: "pods" },
      name: "p",
      namespace: "shop",
      operation: "CREATE",
      userInfo: { username: "alice" },
      object: { metadata: { name: "p" }, spec: { containers: [{ image: "demo.tencentcloudcr.com/a" }] } },
    };
    for (const document of [request, { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request }]) {
      const manifests = JSON.stringify(document);
      await paste(page, "manifests", manifests);
      const found = (await answers(page)).map(({ subject: _, ...answer }) => answer);
      assert.deepEqual(found, run(manifests, settings).map(shown));
    }
    await context.close();
  });
});
