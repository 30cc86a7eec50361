/** How the page looks and behaves as a page: accessibility, languages, widths, colours, what it loads. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import type { Page } from "playwright-core";
import { answers, type Look, PAGE, paste, ROOT, RUN, Stage } from "./browser.ts";
import { en } from "../src/text/en.ts";
import { zh } from "../src/text/zh.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let stage: Stage;
before(async () => void (stage = await Stage.open()));
after(() => stage.close());

/** Some state that shows most of what there is. */
async function configure(page: Page): Promise<void> {
  await page.fill("#field-instanceId", "tcr-demo0001");
  await page.fill("#field-region", "ap-guangzhou-3");
  await page.fill("#field-clusterId", "cls-12345678");
  await page.locator("#field-region").blur();
  await page.check("#field-resolve");
  await page.locator("#field-selector .add").click();
  await page.locator(".requirement input").first().fill("environment");
  await page.locator(".requirement input").last().fill("production");
  await page.locator("#field-tenants .add").click();
  await page.locator(".tenant input").fill("team-a");
}

const VIEWS = [
  { name: "configure", fragment: "#configure", prepare: configure },
  { name: "try", fragment: "#try", prepare: (page: Page) => page.selectOption("#sample", "pods/own-pull-secret") },
  { name: "try-refused", fragment: "#try", prepare: (page: Page) => page.selectOption("#sample", "imagepullsecrets/bad") },
] as const;

const LOOKS: (Look & { name: string })[] = [
  { name: "wide", width: 1360 },
  { name: "wide-dark", width: 1360, colours: "dark" },
  { name: "narrow", width: 360, height: 740 },
  { name: "narrow-dark-zh", width: 360, height: 740, colours: "dark", language: "zh-CN" },
];

describe("looks", () => {
  for (const view of VIEWS) {
    for (const look of LOOKS) {
      test(`${view.name}, ${look.name}: nothing for axe, nothing beside the screen`, async () => {
        const { page, context, complaints } = await stage.visit(view.fragment, look);
        await view.prepare(page);
        await page.evaluate(() => scrollTo(0, 0));
        await page.screenshot({ path: `${RUN}${view.name}-${look.name}.png` });
        await page.screenshot({ path: `${RUN}${view.name}-${look.name}-whole.png`, fullPage: true });
        const beside = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(beside, 0, "the page scrolls sideways");
        assert.deepEqual(await violations(page), []);
        assert.deepEqual(complaints, []);
        await context.close();
      });
    }
  }
});

/** What axe-core finds, in the shadow trees of the editors too. */
async function violations(page: Page): Promise<string[]> {
  // The page's own policy forbids scripts that are not its own; a debugger's evaluation is none.
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }> } };
    const { violations } = await axe.run();
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`));
  });
}

describe("the page", () => {
  test("asks for its own files only, and forbids every connection", async () => {
    const { page, context, requests } = await stage.visit("#try");
    await page.selectOption("#sample", "workloads/cronjob");
    assert.ok(requests.length > 1 && requests.every((url) => url.startsWith(stage.url) || url.startsWith("data:")), requests.join("\n"));
    const refused = await page.evaluate(async (url) => {
      const outcome = (promise: Promise<unknown>) => promise.then(() => "done", () => "refused");
      return Promise.all([outcome(fetch(url)), outcome(fetch("https://example.com/"))]);
    }, stage.url);
    assert.deepEqual(refused, ["refused", "refused"]);
    await context.close();
  });

  test("works from a file, without a host", async () => {
    const { page, context, complaints } = await stage.visit("#try", {}, `file://${PAGE}index.html`);
    assert.deepEqual((await answers(page)).map(({ verdict }) => verdict), ["patched"]);
    assert.deepEqual(complaints, []);
    await context.close();
  });

  test("speaks the reader's language, and remembers the one that was chosen", async () => {
    const { page, context } = await stage.visit("", { language: "zh-CN" });
    assert.equal(await page.locator("h1").innerText(), zh.configure.title);
    assert.equal(await page.getAttribute("html", "lang"), "zh-CN");
    await page.getByRole("button", { name: "English" }).click();
    assert.equal(await page.locator("h1").innerText(), en.configure.title);
    await page.reload();
    assert.equal(await page.locator("h1").innerText(), en.configure.title);
    assert.equal(await page.getAttribute("html", "lang"), "en");
    await context.close();
  });

  test("has every word in both languages", async () => {
    for (const [english, chinese] of pairs(en, zh)) {
      assert.ok(chinese.trim() !== "" || english === "", english);
      // Names of objects and files are the same in every language.
      if (/^[A-Z]?[a-z]+( [a-z]+)+\.?$/.test(english)) assert.match(chinese, /\p{Script=Han}/u, english);
    }
    const { page, context } = await stage.visit("#configure", { language: "zh-CN" });
    assert.equal(await page.locator('label[for="field-namespaces"]').innerText(), zh.fields.namespaces.label);
    assert.match(await page.locator(".verdict .still-needed").innerText(), /^还需要填写：/);
    await page.click("#copy");
    assert.match(await page.locator(".verdict p").innerText(), /共 \d+ 条原因/);
    assert.equal(await page.locator(".verdict li").first().getAttribute("lang"), "en");
    await context.close();
  });

  test("changes its colours on request", async () => {
    const { page, context } = await stage.visit("");
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await paper();
    for (let press = 0; press < 2; press++) await page.locator(".preferences button").first().click();
    await page.locator("html[data-theme=dark]").waitFor();
    assert.notEqual(await paper(), light);
    await context.close();
  });

  test("can be used by keyboard: views, tabs, editors, and out of them again", async () => {
    const { page, context } = await stage.visit("#configure");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.className), "skip");
    await page.locator("#tab-imagepullsecret").focus();
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.getAttribute("#tab-values", "aria-selected"), "true");
    await page.getByRole("link", { name: en.try.name }).focus();
    await page.keyboard.press("Enter");
    assert.equal(await page.getByRole("link", { name: en.try.name }).getAttribute("aria-current"), "page");
    await page.locator("#manifests .cm-content").focus();
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.id), "operation");
    await context.close();
  });

  test("shows a change in the author's own lines, or in JSON where it cannot be written there", async () => {
    const { page, context } = await stage.visit("#try");
    const shown = () => page.locator(".diff > :is(ins, del, .same)").allTextContents();
    const pod = (spec: string) => `kind:   Pod # mine\napiVersion: v1\nmetadata: {name: 'p'}\n${spec}`;
    await paste(page, "manifests", pod(`spec:\n  containers:\n  - name: "c"\n    image: demo.tencentcloudcr.com/a/b # ours\n  # the end\nstatus: {}\n`));
    assert.deepEqual(await shown(), [
      '   - name: "c"',
      "     image: demo.tencentcloudcr.com/a/b # ours",
      "   # the end",
      "+  imagePullSecrets:",
      "+  - name: tcr.ipsdemo",
      " status: {}",
    ]);
    await paste(page, "manifests", pod("x: &spec {containers: [{image: demo.tencentcloudcr.com/a/b}]}\nspec: *spec\n"));
    assert.ok((await shown()).includes('+    "imagePullSecrets": ['), String(await shown()));
    await context.close();
  });

  test("says where a text goes wrong, and what is wrong with settings", async () => {
    const { page, context } = await stage.visit("#try");
    await page.locator("#manifests .cm-content").click();
    await page.keyboard.press("Control+Home");
    await page.keyboard.type("a: [1\nb: ]]");
    await page.locator("#manifests-problem .errors li").waitFor();
    assert.match(await page.locator("#manifests-problem").innerText(), /not YAML/);
    await page.locator("#settings .cm-content").click();
    await page.keyboard.press("Control+End");
    await page.keyboard.type("\ndeclard: warn");
    await page.getByText('declard: unknown field; did you mean "declared"?').waitFor();
    await context.close();
  });
});

/** Every word of one language with that of the other. */
function pairs(one: object, other: object): [string, string][] {
  return Object.entries(one).flatMap(([key, value]) => {
    const translated = (other as Record<string, unknown>)[key];
    if (typeof value === "object" && value !== null) return pairs(value, translated as object);
    if (typeof value === "string") return [[value, translated as string] as [string, string]];
    const call = (text: unknown) => String((text as (...values: unknown[]) => string)(3, 4, 5));
    return [[call(value), call(translated)] as [string, string]];
  });
}

test("the samples that are one click away are those of the repository", async () => {
  const { page, context } = await stage.visit("#try");
  for (const name of ["pods/mixed", "imagepullsecrets/bad"]) {
    await page.selectOption("#sample", name);
    const [first = ""] = readFileSync(`${ROOT}artifacts/samples/${name}.yaml`, "utf8").split("\n");
    await page.locator("#manifests .cm-line").first().filter({ hasText: first }).waitFor();
  }
  await context.close();
});
