/** A real Chromium on the built page, as a host would serve it. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from "playwright-core";
import { preview, type PreviewServer } from "vite";

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
export const PAGE = `${ROOT}target/web/`;
export const RUN = `${ROOT}target/e2e-web/`;

export interface Opened {
  page: Page;
  context: BrowserContext;
  /** Everything that the page asked for. */
  requests: string[];
  /** What the page complained of: exceptions, errors of the console, refusals of its own policy. */
  complaints: string[];
}

export interface Look {
  width?: number;
  height?: number;
  colours?: "light" | "dark";
  language?: string;
}

/** A browser and a server, until `close`. */
export class Stage {
  private constructor(
    readonly browser: Browser,
    private readonly server: PreviewServer,
    readonly url: string,
  ) {}

  static async open(): Promise<Stage> {
    mkdirSync(RUN, { recursive: true });
    const configFile = fileURLToPath(new URL("../vite.config.ts", import.meta.url));
    const server = await preview({ configFile, logLevel: "error", preview: { host: "127.0.0.1", port: 0 } });
    const address = server.httpServer.address();
    if (address === null || typeof address === "string") throw new Error("the page's server has no port");
    const browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? execFileSync(`${ROOT}artifacts/web/find-chromium`, { encoding: "utf8" }).trim(),
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });
    return new Stage(browser, server, `http://127.0.0.1:${address.port}/`);
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.server.close();
  }

  /** Opens the page in a context of its own: nothing is remembered from another test. */
  async visit(fragment = "", { width = 1360, height = 900, colours = "light", language = "en-GB" }: Look = {}, url = this.url): Promise<Opened> {
    const context = await this.browser.newContext({
      viewport: { width, height },
      colorScheme: colours,
      locale: language,
      reducedMotion: "reduce",
      permissions: ["clipboard-read", "clipboard-write"],
    });
    // tsx keeps functions' names by a helper that functions sent into the page need too.
    context.setDefaultTimeout(20_000);
    await context.addInitScript("globalThis.__name = (value) => value");
    const page = await context.newPage();
    const requests: string[] = [];
    const complaints: string[] = [];
    page.on("request", (request) => requests.push(request.url()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await page.goto(url + fragment);
    await page.locator("h1").waitFor();
    return { page, context, requests, complaints };
  }
}

/** The text area of an editor, inside its shadow tree. */
export function editor(page: Page, id: "manifests" | "settings"): Locator {
  return page.locator(`#${id} .cm-content`);
}

/** Replaces an editor's text, as somebody who pastes does. */
export async function paste(page: Page, id: "manifests" | "settings", text: string): Promise<void> {
  const content = editor(page, id);
  await content.focus();
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Delete");
  if (text === "") return;
  await content.evaluate((element, text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    element.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  }, text);
}

/** What the playground says about each object. */
export interface Shown {
  subject: string;
  verdict: string;
  code: string | null;
  message: string | null;
  warnings: string[];
  annotations: string[];
  patch: unknown[];
}

export function answers(page: Page): Promise<Shown[]> {
  return page.locator(".answer").evaluateAll((cards) =>
    cards.map((card) => {
      const text = (selector: string) => card.querySelector(selector)?.textContent ?? null;
      const texts = (selector: string) => [...card.querySelectorAll(selector)].map((element) => element.textContent ?? "");
      return {
        subject: text(".subject") ?? "",
        verdict: (card as HTMLElement).dataset.verdict ?? "",
        code: text(".code"),
        message: text(".message"),
        warnings: texts(".warnings li"),
        annotations: texts(".annotations dd"),
        patch: JSON.parse(text(".json-patch pre") ?? "[]") as unknown[],
      };
    }),
  );
}

/** The state that the address carries, read without the page's own code. */
export async function linked(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const text = location.hash.split("=")[1];
    if (!text) return "";
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).text();
  });
}
