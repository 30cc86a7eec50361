/** The form: every field and its mistakes, what it leads to, import, copy and download. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import type { Page } from "playwright-core";
import { parse, parseAllDocuments, stringify } from "yaml";
import { type Opened, ROOT, Stage } from "./browser.ts";
import { cannotRender, complaint, render, run } from "./harness.ts";

let stage: Stage;
/** One page for the tests that start by resetting the form. */
let shared: Opened | undefined;
before(async () => void (stage = await Stage.open()));
after(() => stage.close());

type Fields = Record<string, unknown>;

/** A form that admission accepts. */
async function filled(page: Page): Promise<void> {
  await page.fill("#field-instanceId", "tcr-demo0001");
  await page.fill("#field-region", "ap-guangzhou");
  await page.fill("#field-clusterId", "cls-12345678");
}

const ROLE = "qcs::cam::uin/100000000002:roleName/reader";

const importText = async (page: Page, text: string) => {
  await page.locator(".import").evaluate((details: HTMLDetailsElement) => void (details.open = true));
  await page.fill("#import-text", text);
  await page.click("#import");
};

/** A file of the result, as it is copied. */
async function output(page: Page, name: "imagepullsecret" | "values" | "policy"): Promise<string> {
  await page.click(`#tab-${name}`);
  // The clipboard is the machine's: whatever the last test left there is not this file.
  await page.evaluate(() => navigator.clipboard.writeText("nothing yet"));
  await page.click("#copy");
  await page.waitForFunction(async () => (await navigator.clipboard.readText()) !== "nothing yet");
  return page.evaluate(() => navigator.clipboard.readText());
}

/** What stands at a field, once there is something: answers come a moment after the input. */
const remarks = async (page: Page, field: string, kind: "error" | "warning", text?: RegExp | string): Promise<string[]> => {
  const all = page.locator(`#field-${field}-remarks .${kind}`);
  await all.filter({ hasText: text ?? /./ }).first().waitFor();
  return all.allTextContents();
};

/** Each field with a value that admission refuses, in its own words. */
const MISTAKES: [field: string, value: string, message: string, prepare?: (page: Page) => Promise<unknown>][] = [
  ["name", "Demo_1", '"Demo_1" '],
  ["instanceId", "demo", '"demo" is not an instance id: '],
  ["region", "ap-guangzhou-3", '"ap-guangzhou-3" is an availability zone; its region is ap-guangzhou'],
  ["clusterId", "12345678", '"12345678" is not a cluster\'s id'],
  ["clusterRegion", "nj", '"nj" is not a region'],
  ["namespaces", "shop,Team_A", '"Team_A" '],
  ["serviceAccounts", "!", '"!" '],
  ["rotateAfter", "10m", '"10m" is too short; the shortest is 1h'],
  ["customDomains", "demo.eviltencentcloudcr.com", '"demo.eviltencentcloudcr.com" is not under tencentcloudcr.com'],
  ["vpcId", "vpc_1", '"vpc_1" is not a VPC\'s id'],
  ["vpcIds", "vpc-a\nvpc-a", '"vpc-a" is there twice'],
  ["address", "8.8.8.8", '"8.8.8.8" is a public address'],
  ["privateCustomDomains", "demo.tencentcloudcr.com:5000", '"demo.tencentcloudcr.com:5000" has a port'],
  ["allowedRoots", "tencentcloudcr.com:443", '"tencentcloudcr.com:443" has a port'],
  ["aliases", "cache.example.com", '"cache.example.com" is not under tencentcloudcr.com; correct it, or allow its root domain (allowedAliases)'],
  ["roleArn", "qcs::cam::uin/2:roleName/reader", '"qcs::cam::uin/2:roleName/reader" is no allowed role (allowedRoles)'],
  ["allowedRoles", "reader", '"reader" is not a role, such as'],
  ["allowedAliases", "example.com:443", '"example.com:443" has a port'],
  ["hostsEntries", "127.0.0.1 demo.tencentcloudcr.com", '"127.0.0.1" is a loopback address'],
  ["registryHosts", "https://demo.tencentcloudcr.com", '"https://demo.tencentcloudcr.com" ', (page) => page.uncheck("#field-discover")],
  ["server", "https://demo.tencentcloudcr.com/v2/", '"https://demo.tencentcloudcr.com/v2/" ', docker],
  ["username", "a:b", "contains a colon", docker],
  ["secretName", "Demo", '"Demo" ', docker],
  ["secretKey", "a/b", '"a/b" ', docker],
];
const GROUPS: Record<string, string> = { customDomains: "domains", privateCustomDomains: "privateDomains" };

async function docker(page: Page): Promise<void> {
  await page.check('input[name="source"][value="docker"]');
}

describe("the form", () => {
  test("starts with the add-on's defaults, and complains of nothing before somebody was there", async () => {
    const { page, context } = await stage.visit();
    assert.equal(await page.inputValue("#field-namespaces"), "*");
    assert.equal(await page.inputValue("#field-serviceAccounts"), "*");
    assert.equal(await page.locator(".remarks .error").count(), 0);
    assert.equal(await page.locator(".verdict.refused, .verdict li").count(), 0);
    assert.match(await page.locator("#output .verdict.needed").innerText(), /^Still needed: Instance ID, Region/);
    assert.equal(await page.getAttribute("#field-description", "placeholder"), "TKE cluster (cls-xxxxxxx) dedicated access credential");
    await filled(page);
    assert.equal(await page.getAttribute("#field-description", "placeholder"), "TKE cluster (cls-12345678) dedicated access credential");
    assert.equal(await page.locator("#output .verdict.admitted").count(), 1);
    const [object] = parseAllDocuments(await output(page, "imagepullsecret")).map((document) => document.toJS() as Fields);
    assert.deepEqual(object, {
      apiVersion: "tcr.tencentcloudcr.com/v1",
      kind: "ImagePullSecret",
      metadata: { name: "demo" },
      spec: { namespaces: "*", serviceAccounts: "*", tcr: { instanceId: "tcr-demo0001", region: "ap-guangzhou" } },
    });
    await context.close();
  });

  for (const [field, value, message, prepare] of MISTAKES) {
    test(`says what is wrong with ${field}, as admission does`, async () => {
      const { page } = (shared ??= await stage.visit());
      await page.click("#reset");
      await filled(page);
      await prepare?.(page);
      await page.fill(`#field-${field}`, value);
      await page.locator(`#field-${field}`).blur();
      const shown = await remarks(page, GROUPS[field] ?? field, "error", message);
      assert.ok(shown.some((sentence) => sentence.includes(message)), `${JSON.stringify(shown)} has no ${message}`);
      assert.equal(await page.getAttribute(`#field-${field}`, "aria-invalid"), GROUPS[field] ? "false" : "true");
      const described = await page.getAttribute(`#field-${GROUPS[field] ?? field}`, "aria-describedby");
      assert.ok(described?.includes(`field-${GROUPS[field] ?? field}-remarks`));
      await refusedAlike(page);
    });
  }

  test("says what is wrong with choices and groups", async () => {
    const { page, context } = await stage.visit();
    await filled(page);
    await page.fill("#field-rotateAfter", "2160h");
    await page.locator("#field-rotateAfter").blur();
    await page.selectOption("#field-credentialType", "temp");
    await remarks(page, "rotateAfter", "error", /is for longterm credentials only/);
    await page.fill("#field-rotateAfter", "");
    await page.selectOption("#field-onDelete", "Revoke");
    await remarks(page, "onDelete", "warning", /Revoke has no effect/);
    await page.fill("#field-description", "mine");
    await remarks(page, "description", "warning", /has no effect/);
    await page.uncheck("#field-defaultDomain");
    await page.uncheck("#field-vpcDomain");
    await remarks(page, "domains", "error", /is empty; name a domain/);
    await page.check("#field-resolve");
    await remarks(page, "resolve", "warning", /cannot be reached publicly/);
    await page.fill("#field-clusterRegion", "ap-nanjing");
    await remarks(page, "region", "warning", /pulls cross regions/);
    await page.getByRole("button", { name: "Add a condition" }).click();
    await page.getByLabel("Label", { exact: true }).fill("a b");
    await page.getByLabel("Label", { exact: true }).blur();
    await remarks(page, "selector", "error");
    await refusedAlike(page);
    await context.close();
  });

  test("asks for a description where nobody knows the cluster", async () => {
    const { page, context } = await stage.visit();
    await filled(page);
    await page.fill("#field-clusterId", "");
    await page.locator("#field-description").focus();
    await page.locator("#field-description").blur();
    await remarks(page, "description", "error", /the default needs the cluster's id/);
    await refusedAlike(page);
    await context.close();
  });

  test("leads from a reason to its field, by keyboard", async () => {
    const { page, context } = await stage.visit();
    await page.getByRole("link", { name: "Region", exact: true }).focus();
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement?.id), "field-region");
    await remarks(page, "region", "error", /is empty/);
    await context.close();
  });

  test("writes every parameter into the three files", async () => {
    const { page, context } = await stage.visit();
    await filled(page);
    await page.fill("#field-name", "team");
    await page.fill("#field-namespaces", "team-*,!team-sandbox");
    await page.fill("#field-serviceAccounts", "default,builder");
    for (const [at, operator, key, values] of [[0, "=", "tier", "gold"], [1, "In", "environment", "staging, production"], [2, "Exists", "owner", ""]] as const) {
      await page.getByRole("button", { name: "Add a condition" }).click();
      const row = page.locator(".requirement").nth(at);
      await row.getByLabel("Condition", { exact: true }).selectOption(operator);
      await row.getByLabel("Label").fill(key);
      if (values) await row.getByLabel("Values").fill(values);
    }
    await page.selectOption("#field-conflictPolicy", "adopt");
    await page.fill("#field-description", "ours");
    await page.fill("#field-rotateAfter", "2160h");
    await page.selectOption("#field-onDelete", "Revoke");
    await page.fill("#field-customDomains", "team.tencentcloudcr.com");
    await page.fill("#field-aliases", "cache.example.org:5000");
    await page.check("#field-resolve");
    await page.fill("#field-vpcIds", "vpc-12345678\nvpc-87654321");
    await page.fill("#field-address", "vpc-12345678");
    await page.uncheck("#field-privateDefaultDomain");
    await page.fill("#field-privateCustomDomains", "team.tencentcloudcr.com");
    await page.selectOption("#field-whenLinkDown", "Remove");
    await page.fill("#field-hostsEntries", "10.0.2.7 demo-vpc.tencentcloudcr.com\n# 10.0.2.7 demo.tencentcloudcr.com");
    await page.uncheck("#field-discover");
    await page.fill("#field-registryHosts", "demo.tencentcloudcr.com\ndemo-vpc.tencentcloudcr.com");
    await page.selectOption("#field-declared", "reject");
    await page.selectOption("#field-protect", "off");
    await page.selectOption("#field-mode", "monitor");
    await page.selectOption("#field-failurePolicy", "Fail");
    await page.fill("#field-allowedRoots", "tencentcloudcr.com\nexample.com");
    await page.fill("#field-allowedAliases", "example.org");
    await page.fill("#field-policyModule", "registry://demo.tencentcloudcr.com/policy:v1");

    const selection = {
      namespaces: "team-*,!team-sandbox",
      serviceAccounts: "default,builder",
      namespaceSelector: {
        matchLabels: { tier: "gold" },
        matchExpressions: [{ key: "environment", operator: "In", values: ["staging", "production"] }, { key: "owner", operator: "Exists" }],
      },
    };
    const tcr = {
      instanceId: "tcr-demo0001",
      region: "ap-guangzhou",
      credential: { description: "ours", rotateAfter: "2160h", onDelete: "Revoke" },
      domains: ["default", "vpc", "team.tencentcloudcr.com"],
      aliases: ["cache.example.org:5000"],
      privateNetwork: {
        resolve: true,
        vpcIds: ["vpc-12345678", "vpc-87654321"],
        address: "vpc-12345678",
        domains: ["vpc", "team.tencentcloudcr.com"],
        whenLinkDown: "Remove",
      },
    };
    const policy = {
      discover: false,
      registries: [{ name: "team", hosts: ["demo.tencentcloudcr.com", "demo-vpc.tencentcloudcr.com"], ...selection }],
      declared: "reject",
      protect: "off",
      controllerUsernames: ["system:serviceaccount:tcr-assistant-system:tcr-assistant-manager"],
    };
    const allowedRoots = ["tencentcloudcr.com", "example.com"];
    const allowedAliases = ["example.org"];
    const object = await output(page, "imagepullsecret");
    assert.deepEqual((parse(object) as Fields).spec, { ...selection, conflictPolicy: "adopt", tcr });
    const values = parse(await output(page, "values"), { version: "1.1" }) as Fields;
    assert.deepEqual(values, {
      global: {
        hosts: [
          { domain: "demo-vpc.tencentcloudcr.com", ip: "10.0.2.7", disabled: false },
          { domain: "demo.tencentcloudcr.com", ip: "10.0.2.7", disabled: true },
        ],
        cluster: { id: "cls-12345678", longregion: "ap-guangzhou" },
      },
      instances: [{ name: "team", ...tcr, ...selection, conflictPolicy: "adopt" }],
      allowedRoots,
      allowedAliases,
      webhook: { failurePolicy: "Fail" },
      policy: { mode: "monitor", ...policy },
    });
    const admission = parse(await output(page, "policy"), { version: "1.1" }) as { kind: string; spec: Fields };
    assert.equal(admission.kind, "ClusterAdmissionPolicy");
    assert.equal(admission.spec.module, "registry://demo.tencentcloudcr.com/policy:v1");
    assert.equal(admission.spec.mode, "monitor");
    assert.equal(admission.spec.failurePolicy, "Fail");
    const settings = { ...policy, allowedRoots, allowedAliases, clusterId: "cls-12345678" };
    assert.deepEqual(admission.spec.settings, settings);
    assert.deepEqual(admission.spec.contextAwareResources, [{ apiVersion: "v1", kind: "Namespace" }, { apiVersion: "v1", kind: "ServiceAccount" }]);
    // What the page calls accepted, policy.wasm accepts.
    assert.equal(complaint(object, stringify(settings, { version: "1.1" })), "");
    assert.deepEqual(run(object, stringify(settings, { version: "1.1" })).map(({ allowed }) => allowed), [true]);
    const example = parse(readFileSync(`${ROOT}artifacts/kubewarden/policy-registries.yaml`, "utf8")) as { spec: Fields };
    assert.deepEqual(admission.spec.rules, example.spec.rules);
    await context.close();
  });

  test("writes tenants into values and settings, says what one lacks, and takes them back", async () => {
    const { page, context } = await stage.visit();
    await filled(page);
    await page.getByRole("button", { name: "Add a tenant" }).click();
    const part = (label: string) => page.locator(".tenant").first().getByLabel(label);
    await part("Tenant name").fill("team-a");
    await part("Users").fill("jane\nsystem:serviceaccount:team-a:deployer");
    await part("Namespaces it may select").fill("team-a\nteam-*-x");
    await part("Namespaces it may select").blur();
    await remarks(page, "tenants", "error", /^tenants\[0\]\.registryNamespaces: is empty/);
    await remarks(page, "tenants", "error", /^tenants\[0\]\.namespaces\[1\]: "team-\*-x" is not a name/);
    await refusedAlike(page);
    await part("Namespaces it may select").fill("team-a\nteam-a-*");
    await part("labels of its namespaces").fill("tenant=team-a");
    await part("Registry namespaces it may pull from").fill("team-a\nbase");
    await part("Instances").fill("tcr-demo0001");
    await part("Roles of other accounts").fill(ROLE);
    await part("Conflict policies").fill("adopt");
    await page.locator("#field-tenants-remarks .error").first().waitFor({ state: "detached" });
    const tenants = [{
      name: "team-a",
      users: ["jane", "system:serviceaccount:team-a:deployer"],
      namespaces: ["team-a", "team-a-*"],
      namespaceLabels: { tenant: "team-a" },
      registryNamespaces: ["team-a", "base"],
      instanceIds: ["tcr-demo0001"],
      roleArns: [ROLE],
      conflictPolicies: ["adopt"],
    }];
    const values = await output(page, "values");
    assert.deepEqual((parse(values, { version: "1.1" }) as Fields).tenants, tenants);
    const { spec } = parse(await output(page, "policy"), { version: "1.1" }) as { spec: { settings: Fields } };
    assert.deepEqual(spec.settings.tenants, tenants);
    assert.equal(complaint(await output(page, "imagepullsecret"), stringify(spec.settings, { version: "1.1" })), "");

    await page.click("#reset");
    assert.equal(await page.locator(".tenant").count(), 0);
    await page.locator(".import").evaluate((details: HTMLDetailsElement) => void (details.open = true));
    await page.fill("#import-text", values);
    await page.click("#import");
    assert.deepEqual((parse(await output(page, "values"), { version: "1.1" }) as Fields).tenants, tenants);
    await page.getByRole("button", { name: "Remove this tenant" }).click();
    assert.ok(!("tenants" in (parse(await output(page, "values"), { version: "1.1" }) as Fields)));
    await context.close();
  });

  test("writes a role where it belongs, and reads its external id again", async () => {
    const { page, context } = await stage.visit();
    await filled(page);
    await page.selectOption("#field-credentialType", "temp");
    await page.fill("#field-roleArn", ROLE);
    await page.fill("#field-allowedRoles", `${ROLE};external-id=cluster-1`);
    const written = async () => {
      const object = await output(page, "imagepullsecret");
      assert.equal(((parse(object) as Fields).spec as { tcr: Fields }).tcr.roleArn, ROLE);
      const values = await output(page, "values");
      assert.deepEqual((parse(values) as Fields).allowedRoles, [{ roleArn: ROLE, externalId: "cluster-1" }]);
      const admission = parse(await output(page, "policy")) as { spec: { settings: Fields } };
      assert.deepEqual(admission.spec.settings.allowedRoles, [ROLE]);
      assert.equal(complaint(object, stringify(admission.spec.settings, { version: "1.1" })), "");
      return values;
    };
    const values = await written();
    await importText(page, values);
    await written();
    await context.close();
  });

  test("writes values from which the chart makes the same ImagePullSecret", { skip: cannotRender() }, async () => {
    const { page, context } = await stage.visit();
    const agree = async () => {
      const object = parse(await output(page, "imagepullsecret"), { version: "1.1" }) as { metadata: Fields; spec: Fields };
      const rendered = render(await output(page, "values")).find(({ kind }) => kind === "ImagePullSecret") as typeof object | undefined;
      assert.equal(rendered?.metadata.name, object.metadata.name);
      assert.deepEqual(rendered?.spec, object.spec);
    };
    await filled(page);
    await page.fill("#field-namespaces", "!kube-*");
    await page.selectOption("#field-conflictPolicy", "adopt");
    await page.selectOption("#field-credentialType", "temp");
    await page.uncheck("#field-vpcDomain");
    await page.check("#field-resolve");
    await page.selectOption("#field-protect", "off");
    await page.getByRole("button", { name: "Add a condition" }).click();
    await page.getByLabel("Label", { exact: true }).fill("environment");
    await page.getByLabel("Values", { exact: true }).fill("production");
    await agree();
    await page.click("#reset");
    await docker(page);
    await page.fill("#field-server", "demo.tencentcloudcr.com");
    await page.fill("#field-username", "100012345678");
    await page.fill("#field-secretName", "demo-password");
    await agree();
    await context.close();
  });

  test("downloads what it shows, with the password that the screen hides", async () => {
    const { page, context } = await stage.visit();
    await docker(page);
    await page.fill("#field-server", "demo.tencentcloudcr.com");
    await page.fill("#field-username", "100012345678");
    await page.check('input[name="passwordFrom"][value="plain"]');
    await page.fill("#field-password", "p4ss-w0rd");
    for (const [tab, file] of [["imagepullsecret", "imagepullsecret.yaml"], ["values", "values.yaml"], ["policy", "clusteradmissionpolicy.yaml"]] as const) {
      await page.click(`#tab-${tab}`);
      assert.ok(!(await page.locator("pre.yaml").innerText()).includes("p4ss-w0rd"));
      const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
      assert.equal(download.suggestedFilename(), file);
      const text = readFileSync(await download.path(), "utf8");
      assert.equal(text.includes("p4ss-w0rd"), tab !== "policy");
      assert.equal(await output(page, tab), text);
    }
    await page.click("#tab-imagepullsecret");
    await remarks(page, "password", "warning", /is readable by everyone/);
    await page.click("#reveal");
    assert.ok((await page.locator("pre.yaml").innerText()).includes("p4ss-w0rd"));
    await context.close();
  });

  test("takes its settings to the playground", async () => {
    const { page, context } = await stage.visit();
    await filled(page);
    await page.selectOption("#field-declared", "reject");
    await page.click("#tab-policy");
    await page.click("#try-settings");
    assert.match(await page.locator("#settings .cm-content").innerText(), /declared: reject/);
    await context.close();
  });
});

describe("import", () => {
  test("of an ImagePullSecret gives the same object again", async () => {
    const { page, context } = await stage.visit();
    const samples = parseAllDocuments(readFileSync(`${ROOT}artifacts/samples/imagepullsecrets/good.yaml`, "utf8"));
    for (const document of samples) {
      const object = document.toJS() as { spec: { tcr?: { credential?: Fields } } };
      await importText(page, stringify(object));
      // What is the default already is not written again.
      delete object.spec.tcr?.credential?.type;
      assert.deepEqual(parse(await output(page, "imagepullsecret")), { ...object, spec: { serviceAccounts: "*", ...object.spec } });
    }
    await context.close();
  });

  test("of the original add-on's RawValues asks which, and keeps the addresses", async () => {
    const { page, context } = await stage.visit();
    const entry = (name: string, server: string) => ({
      name,
      namespaces: "*",
      serviceAccounts: "*",
      type: "docker",
      dockerUsername: "100012345678",
      dockerPassword: "tcr.jwt.token",
      dockerServer: server,
    });
    const values = {
      global: {
        imagePullSecretsCrs: [entry("tcr-qbc3zefo-public", "demo.tencentcloudcr.com"), entry("tcr-qbc3zefo-vpc", "demo-vpc.tencentcloudcr.com")],
        hosts: [
          { domain: "demo-vpc.tencentcloudcr.com", ip: "10.0.2.7", disabled: false },
          { domain: "demo-vpc.tencentcloudcr.com", ip: "10.1.2.7", disabled: true, vpcId: "vpc-demo0002" },
        ],
        cluster: { region: "nj", longregion: "ap-nanjing" },
      },
    };
    await importText(page, Buffer.from(JSON.stringify(values)).toString("base64"));
    await page.getByRole("button", { name: "tcr-qbc3zefo-vpc" }).click();
    assert.equal(await page.inputValue("#field-name"), "tcr-qbc3zefo-vpc");
    assert.equal(await page.inputValue("#field-server"), "demo-vpc.tencentcloudcr.com");
    assert.equal(
      await page.inputValue("#field-hostsEntries"),
      "10.0.2.7 demo-vpc.tencentcloudcr.com\n# 10.1.2.7 demo-vpc.tencentcloudcr.com vpc-demo0002",
    );
    assert.equal(await page.inputValue("#import-text"), "");
    const { global } = parse(await output(page, "values"), { version: "1.1" }) as { global: Fields };
    assert.deepEqual(global.imagePullSecretsCrs, [values.global.imagePullSecretsCrs[1]]);
    assert.deepEqual(global.hosts, values.global.hosts);
    await context.close();
  });

  test("of the chart's own values gives the same values again", async () => {
    const { page, context } = await stage.visit();
    await filled(page);
    await page.selectOption("#field-declared", "reject");
    await page.uncheck("#field-vpcDomain");
    const values = await output(page, "values");
    await page.click("#reset");
    assert.equal(await page.inputValue("#field-instanceId"), "");
    await importText(page, values);
    assert.equal(await output(page, "values"), values);
    await context.close();
  });

  test("says what the form does not hold, and what is no configuration", async () => {
    const { page, context } = await stage.visit();
    await importText(page, "apiVersion: tcr.tencentcloudcr.com/v1\nkind: ImagePullSecret\nmetadata: {name: x}\nspec: {namespace: shop, tcr: {instanceId: tcr-a, region: ap-guangzhou}}");
    assert.match(await page.locator("#import-outcome").innerText(), /spec\.namespace: unknown field, did you mean namespaces\?/);
    await importText(page, "kind: Pod");
    assert.match(await page.locator("#import-outcome").innerText(), /no ImagePullSecret/);
    await importText(page, "a: [");
    assert.match(await page.locator("#import-outcome").innerText(), /not YAML/);
    await context.close();
  });
});

/** What the page calls refused, policy.wasm refuses with the same sentences. */
async function refusedAlike(page: Page): Promise<void> {
  const object = await output(page, "imagepullsecret");
  const reasons = await page.locator(".verdict li").allTextContents();
  const policy = parse(await output(page, "policy"), { version: "1.1" }) as { spec: { settings: Fields } };
  const mistakes = await page.locator(".verdict li").allTextContents();
  const settings = stringify(policy.spec.settings, { version: "1.1" });
  if (mistakes.length > 0) {
    const told = complaint(object, settings);
    for (const mistake of mistakes) assert.ok(told.includes(mistake), `${told} has no ${mistake}`);
    return;
  }
  // Nobody answers the policy's questions here, so it is told not to ask.
  const [response] = run(object, stringify({ ...policy.spec.settings, discover: false }, { version: "1.1" }));
  if (reasons.length === 0) return assert.equal(response?.allowed, true);
  const name = (parse(object) as { metadata: { name: string } }).metadata.name;
  assert.equal(response?.status?.message, `ImagePullSecret ${JSON.stringify(name)}: ${reasons.join("; ")}`);
}
