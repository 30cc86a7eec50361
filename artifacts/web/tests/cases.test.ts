/** The playground gives the answers that `policy/cases` expects, as `harness test` asks them of policy.wasm. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { parse } from "yaml";
import { answers, type Opened, paste, ROOT, Stage } from "./browser.ts";

type Fields = Record<string, unknown>;
type Expected = string | { contains: string };

interface Case {
  name: string;
  object?: Fields | string;
  oldObject?: Fields | string;
  request?: Fields | string;
  username?: string;
  subResource?: string;
  settings?: Fields;
  cluster?: Fields[];
  expect: { allowed?: boolean; code?: number; message?: Expected; patch?: unknown[]; warnings?: Expected[]; auditAnnotations?: Record<string, Expected>; settingsRefused?: Expected };
}

const FOLDER = `${ROOT}policy/cases/`;

let stage: Stage;
let opened: Opened;
before(async () => {
  stage = await Stage.open();
  opened = await stage.visit("#try");
});
after(() => stage.close());

/** An object that stands in the file, or in one that it names. */
function objectOf(file: string, object: Fields | string | undefined): Fields | undefined {
  return typeof object === "string" ? (parse(readFileSync(resolve(dirname(file), object), "utf8"), { version: "1.1" }) as Fields) : object;
}

/** The request that the API server would send. */
function requestOf(file: string, { object, oldObject, request, username, subResource }: Case): Fields | undefined {
  const [now, old] = [objectOf(file, object), objectOf(file, oldObject)];
  const either = now ?? old;
  if (!either) return objectOf(file, request);
  const [version = "", group = ""] = String(either.apiVersion).split("/").reverse();
  const kind = String(either.kind);
  const { name = "", namespace } = (either.metadata ?? {}) as { name?: string; namespace?: string };
  const gvk = { group, version, kind };
  return {
    uid: "705ab4f5-6393-11e8-b7cc-42010a800002",
    kind: gvk,
    resource: { group, version, resource: `${kind.toLowerCase()}s` },
    ...(subResource && { subResource }),
    name,
    ...(kind !== "ImagePullSecret" && { namespace: namespace ?? "default" }),
    operation: now && old ? "UPDATE" : now ? "CREATE" : "DELETE",
    userInfo: { username: username ?? "kubernetes-admin" },
    object: now ?? null,
    oldObject: old ?? null,
  };
}

function matches(found: string | null | undefined, expected: Expected | undefined): boolean {
  if (expected === undefined) return found === null || found === undefined;
  return typeof expected === "string" ? found === expected : (found?.includes(expected.contains) ?? false);
}

describe("cases", () => {
  for (const name of readdirSync(FOLDER)) {
    const file = `${FOLDER}${name}`;
    const shared = parse(readFileSync(file, "utf8"), { version: "1.1", merge: true }) as { settings?: Fields; cluster?: Fields[]; cases: Case[] };
    for (const one of shared.cases) {
      const settings = one.settings ?? shared.settings ?? {};
      const cluster = one.cluster ?? shared.cluster;
      // The playground's cluster is its documents: it can lack an object, and never fails to answer.
      const skip = settings.discover === true && !cluster && !one.expect.settingsRefused && "the playground's cluster always answers";
      test(`${name}: ${one.name}`, { skip }, async () => {
        const { page } = opened;
        await paste(page, "settings", JSON.stringify(settings));
        const { expect } = one;
        if (expect.settingsRefused !== undefined) {
          const mistakes = (await page.locator("#settings-problem li").allTextContents()).join("; ");
          assert.ok(matches(mistakes, expect.settingsRefused), mistakes);
          return;
        }
        await paste(page, "manifests", [requestOf(file, one), ...(cluster ?? [])].map((document) => JSON.stringify(document)).join("\n"));
        const [answer] = await answers(page);
        assert.ok(answer, "there is no answer");
        const shown = JSON.stringify(answer);
        assert.equal(answer.verdict !== "refused", expect.allowed ?? true, shown);
        assert.equal(answer.code, expect.code?.toString() ?? null, shown);
        assert.ok(matches(answer.message, expect.message), shown);
        assert.deepEqual(answer.patch, expect.patch ?? [], shown);
        const warnings = expect.warnings ?? [];
        assert.equal(answer.warnings.length, warnings.length, shown);
        for (const [at, warning] of warnings.entries()) assert.ok(matches(answer.warnings[at], warning), shown);
        for (const annotation of Object.values(expect.auditAnnotations ?? {})) {
          assert.ok(answer.annotations.some((found) => matches(found, annotation)), shown);
        }
      });
    }
  }
});
