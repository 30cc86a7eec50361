/** Links carry what is seen, and never a password. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Page } from "playwright-core";
import { parseAllDocuments } from "yaml";
import { answers, linked, paste, Stage } from "./browser.ts";

const PASSWORD = "hunter2-correct-horse";

/** Passwords everywhere that somebody may have one. */
const MANIFESTS = `# the password is ${PASSWORD}
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{"password":"${PASSWORD}"}'
    tcr.tencentcloudcr.com/inject: "true"
spec:
  containers:
    - name: web
      image: demo.tencentcloudcr.com/team/app:v1
      command: [app, --password=${PASSWORD}]
      args: ["${PASSWORD}"]
      env: [{name: PASSWORD, value: ${PASSWORD}}]
  volumes: [{name: v, csi: {volumeAttributes: {password: ${PASSWORD}}}}]
---
apiVersion: v1
kind: Secret
metadata: {name: s, namespace: shop, labels: {app.kubernetes.io/managed-by: tcr-assistant}}
data: {password: ${Buffer.from(PASSWORD).toString("base64")}}
stringData: {password: ${PASSWORD}}
---
apiVersion: tcr.tencentcloudcr.com/v1
kind: ImagePullSecret
metadata: {name: static}
spec:
  namespaces: shop
  pasword: ${PASSWORD}
  docker: {server: "u:${PASSWORD}@other.tencentcloudcr.com", username: "100012345678:${PASSWORD}", password: ${PASSWORD}, token: ${PASSWORD}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: shop}
spec:
  template:
    spec:
      imagePullSecrets: [{name: tcr.ipsdemo}]
      containers: [{name: c, image: demo.tencentcloudcr.com/a, env: [{name: P, value: ${PASSWORD}}]}]
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: w}
spec: {password: ${PASSWORD}}
`;

let stage: Stage;
before(async () => void (stage = await Stage.open()));
after(() => stage.close());

/** The address once it has caught up with what was typed. */
async function settled(page: Page, before: string): Promise<string> {
  await page.waitForFunction((before) => location.href !== before, before);
  return page.url();
}

/** The state of the address once it holds a word of what was typed last. */
async function linkedWith(page: Page, word: string): Promise<string> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; ) {
    const state = await linked(page);
    if (state.includes(word)) return state;
  }
  throw new Error(`the address never came to hold ${word}`);
}

describe("links", () => {
  test("of the playground have no password, and the same answers", async () => {
    const { page, context, requests } = await stage.visit("#try");
    await paste(page, "manifests", MANIFESTS);
    const seen = (await answers(page)).map(({ verdict, subject }) => [verdict, subject]);
    assert.deepEqual(seen.map(([verdict]) => verdict), ["patched", "admitted", "refused", "admitted", "admitted"]);
    const state = await linkedWith(page, "demo.tencentcloudcr.com/team/app:v1");
    const link = page.url();
    for (const secret of [PASSWORD, Buffer.from(PASSWORD).toString("base64"), encodeURIComponent(PASSWORD)]) {
      assert.ok(!state.includes(secret) && !link.includes(secret), state);
    }

    const other = await stage.visit(link.slice(stage.url.length));
    assert.deepEqual((await answers(other.page)).map(({ verdict, subject }) => [verdict, subject]), seen);
    assert.ok(parseAllDocuments(await other.page.locator("#manifests .cm-content").innerText()).length > 3);
    // A fragment never leaves the browser, and nothing else was asked for.
    for (const url of requests) assert.ok(!url.includes("#") && !url.includes(PASSWORD), url);
    await context.close();
    await other.context.close();
  });

  test("carry nothing of a text that cannot be read", async () => {
    const { page, context } = await stage.visit("#try");
    await page.selectOption("#sample", "pods/mixed");
    await linkedWith(page, "pods/mixed");
    const start = page.url();
    await paste(page, "manifests", `password: [${PASSWORD}`);
    await settled(page, start);
    assert.ok(!(await linked(page)).includes(PASSWORD));
    await context.close();
  });

  test("carry a sample by its name, the settings, the operation and the user", async () => {
    const { page, context } = await stage.visit("#try");
    await page.selectOption("#sample", "workloads/deployment");
    await paste(page, "settings", "declared: reject\nregistries: [{name: demo, hosts: [demo.tencentcloudcr.com]}]\nsecret: hunter2\n");
    await page.selectOption("#operation", "UPDATE");
    await page.fill("#username", "alice");
    const state = JSON.parse(await linkedWith(page, "alice")) as Record<string, unknown>;
    assert.deepEqual(state, {
      sample: "workloads/deployment",
      settings: { declared: "reject", registries: [{ name: "demo", hosts: ["demo.tencentcloudcr.com"] }], secret: null },
      operation: "UPDATE",
      username: "alice",
    });
    await context.close();
  });

  test("of the form have no password, and everything else", async () => {
    const { page, context } = await stage.visit();
    await page.check('input[name="source"][value="docker"]');
    await page.fill("#field-server", `u:${PASSWORD}@demo.tencentcloudcr.com`);
    await page.fill("#field-username", `100012345678:${PASSWORD}`);
    await page.check('input[name="passwordFrom"][value="plain"]');
    await page.fill("#field-password", PASSWORD);
    await page.fill("#field-namespaces", "shop,team-*");
    const state = await linkedWith(page, "team-*");
    assert.ok(!state.includes(PASSWORD), state);

    const other = await stage.visit(page.url().slice(stage.url.length));
    assert.equal(await other.page.inputValue("#field-namespaces"), "shop,team-*");
    assert.equal(await other.page.inputValue("#field-server"), "demo.tencentcloudcr.com");
    assert.equal(await other.page.inputValue("#field-password"), "");
    await context.close();
    await other.context.close();
  });

  test("that say nothing or lie lead to the defaults", async () => {
    for (const fragment of ["#try=%%%", "#configure=AAAA", "#elsewhere", "#configure=q1bKS8xNVbJSCjE0MVGqBQA"]) {
      const { page, context, complaints } = await stage.visit(fragment);
      assert.ok((await page.locator("h1").count()) === 1);
      assert.deepEqual(complaints, [], fragment);
      await context.close();
    }
  });
});
