/**
 * `bench web METRIC VALUE UNIT`: how long the page takes to its first evaluation once its script is there (compiling the
 * wasm and drawing the page included) and from the visit on; how long an evaluation of a Pod of 5 KB takes then, from the
 * text to the answers; and how much is transferred, compressed as hosts do (gzip).
 */
import { gzipSync } from "node:zlib";
import { stringify } from "yaml";
import { answers, paste, Stage } from "./browser.ts";

interface Figure {
  metric: string;
  value: number;
  unit: string;
  limit?: number;
}

const flags = process.argv.slice(2);
if (flags.some((flag) => flag !== "--check" && flag !== "--smoke") || flags.length > 1) {
  console.error("usage: ./justw bench web [--check | --smoke]");
  process.exit(2);
}
const isSmoke = flags.includes("--smoke");

/** A Pod whose JSON has about 5 KB, shaped like what people write. */
function pod(): string {
  const container = (index: number) => ({
    name: `container-${index}`,
    image: index === 5 ? "demo-vpc.tencentcloudcr.com/team/app:v1" : "registry.example.com/team/app:v1",
    imagePullPolicy: "IfNotPresent",
    command: ["/app", "--listen", "0.0.0.0:8080", "--log-level", "info"],
    ports: [{ name: "http", containerPort: 8080, protocol: "TCP" }],
    env: [{ name: "REGION", value: "ap-guangzhou" }, { name: "MESSAGE", value: 'he said "hello"\n' }, { name: "POD_IP", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "status.podIP" } } }],
    resources: { limits: { cpu: "500m", memory: "256Mi" }, requests: { cpu: "100m", memory: "128Mi" } },
    volumeMounts: [{ name: "data", readOnly: true, mountPath: "/var/lib/data" }],
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
  });
  return stringify({ apiVersion: "v1", kind: "Pod", metadata: { name: "web", namespace: "shop" }, spec: { containers: [0, 1, 2, 3, 4, 5].map(container) } });
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function measure(stage: Stage): Promise<Figure[]> {
  const first: { afterLoad: number; afterVisit: number }[] = [];
  let transferred = 0;
  for (let visit = 0; visit < (isSmoke ? 2 : 15); visit++) {
    const { page, context, requests } = await stage.visit("#try");
    await page.locator(".answer").waitFor();
    first.push(
      await page.evaluate(() => {
        const [evaluation] = performance.getEntriesByName("evaluate");
        const script = performance.getEntriesByType("resource").find(({ name }) => name.endsWith(".js")) as PerformanceResourceTiming | undefined;
        const afterVisit = evaluation ? evaluation.startTime + evaluation.duration : Number.NaN;
        return { afterVisit, afterLoad: afterVisit - (script?.responseEnd ?? Number.NaN) };
      }),
    );
    transferred = 0;
    for (const url of requests.filter((url) => url.startsWith("http"))) {
      transferred += gzipSync(Buffer.from(await (await fetch(url)).arrayBuffer())).length;
    }
    await context.close();
  }

  const { page, context } = await stage.visit("#try");
  await paste(page, "manifests", pod());
  const [answer] = await answers(page);
  if (answer?.verdict !== "patched") throw new Error(`the policy did not patch the benchmark's Pod: ${JSON.stringify(answer)}`);
  // Each key is an evaluation of the whole text.
  await page.keyboard.press("Control+End");
  await page.keyboard.type("#".repeat(isSmoke ? 5 : 30));
  await page.evaluate(() => performance.clearMeasures("evaluate"));
  await page.keyboard.type("x".repeat(isSmoke ? 10 : 200));
  const evaluations = await page.evaluate(() => performance.getEntriesByName("evaluate").map(({ duration }) => duration));
  await context.close();
  return [
    { metric: "first_evaluation_ms", value: median(first.map(({ afterLoad }) => afterLoad)), unit: "ms", limit: 300 },
    { metric: "from_visit_ms", value: median(first.map(({ afterVisit }) => afterVisit)), unit: "ms" },
    { metric: "evaluation_5k_ms", value: median(evaluations), unit: "ms", limit: 5 },
    { metric: "transfer_kb", value: transferred / 1024, unit: "KB", limit: 450 },
  ];
}

const stage = await Stage.open();
try {
  const figures = await measure(stage);
  for (const { metric, value, unit } of figures) console.log(`bench web ${metric} ${value.toFixed(3)} ${unit}`);
  const missed = figures.filter(({ value, limit }) => limit !== undefined && !(value <= limit));
  for (const { metric, value, unit, limit } of missed) console.error(`missed: web ${metric} is ${value.toFixed(3)} ${unit}, the limit is ${limit}`);
  if (flags.includes("--check") && missed.length > 0) process.exitCode = 1;
} finally {
  await stage.close();
}
