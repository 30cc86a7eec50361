/** The harness: what policy.wasm answers. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { ROOT } from "./browser.ts";

const HARNESS = `${process.env.CARGO_TARGET_DIR ?? `${ROOT}target`}/debug/harness`;
const WASM = `${ROOT}target/policy.wasm`;

export interface AdmissionResponse {
  uid: string;
  allowed: boolean;
  patch?: string;
  status?: { message?: string; code?: number };
  auditAnnotations: Record<string, string> | null;
  warnings: string[] | null;
}

/** One answer for each object of the manifests. */
export function run(manifests: string, settings: string, ...flags: string[]): AdmissionResponse[] {
  const output = inFiles({ manifests, settings }, (files) =>
    execFileSync(HARNESS, ["run", WASM, "-r", files.manifests, "-s", files.settings, ...flags], { encoding: "utf8" }),
  );
  return output.trim().split("\n").map((line) => JSON.parse(line) as AdmissionResponse);
}

/** Why the harness does not take a manifest or settings; empty when it does. */
export function complaint(manifests: string, settings: string): string {
  return inFiles({ manifests, settings }, (files) =>
    spawnSync(HARNESS, ["run", WASM, "-r", files.manifests, "-s", files.settings], { encoding: "utf8" }).stderr,
  );
}

export function patchOf(response: AdmissionResponse): unknown[] {
  return response.patch ? (JSON.parse(Buffer.from(response.patch, "base64").toString()) as unknown[]) : [];
}

function inFiles<K extends string, T>(texts: Record<K, string>, use: (files: Record<K, string>) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "tcr-assistant-web-"));
  try {
    const files = Object.fromEntries(
      Object.entries<string>(texts).map(([name, text]) => {
        const file = join(folder, name);
        writeFileSync(file, text);
        return [name, file];
      }),
    ) as Record<K, string>;
    return use(files);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The chart with values, rendered by the helm that the chart's own tests use: objects by their kind. */
export function render(values: string): Record<string, unknown>[] {
  return inFiles({ values }, (files) => {
    const helm = execFileSync(`${ROOT}artifacts/render`, ["--helm"], { encoding: "utf8" }).trim();
    const flags = ["template", "tcr-assistant", `${ROOT}artifacts/chart`, "-n", "tcr-assistant-system", "--kube-version", "1.35.0", "-f", files.values];
    return parseAllDocuments(execFileSync(helm, flags, { encoding: "utf8", maxBuffer: 1 << 24 })).map((document) => document.toJS() as Record<string, unknown>);
  });
}

/** Why the chart cannot be rendered here; false when it can. */
export function cannotRender(): string | false {
  const { status } = spawnSync("go", ["version"]);
  return status === 0 ? false : "needs Go, which builds helm";
}
