import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * `import text from "./file.wasm?base64"`: the page carries its wasm in itself, so that it fetches nothing, works from
 * a file as well as from a host, and may forbid every connection.
 */
const base64: Plugin = {
  name: "base64",
  enforce: "pre",
  load(id) {
    const [file, query] = id.split("?");
    if (query !== "base64" || file === undefined) return null;
    return `export default ${JSON.stringify(readFileSync(file).toString("base64"))};`;
  },
};

/** Classic scripts and plain links: browsers load modules and anything with `crossorigin` from hosts only. */
const fromFiles: Plugin = {
  name: "from-files",
  transformIndexHtml: {
    order: "post",
    handler: (html) => html.replaceAll('<script type="module" crossorigin', "<script defer").replaceAll(" crossorigin", ""),
  },
};

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  publicDir: false,
  plugins: [base64, fromFiles],
  resolve: { alias: { "policy-module": `${root}target/policy-web` } },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: `${root}target/web`,
    emptyOutDir: true,
    // The first with light-dark(), which the colours are made of.
    target: ["chrome123", "edge123", "firefox120", "safari17.5"],
    // A file of its own: the page's policy forbids styles that a script writes.
    cssCodeSplit: false,
    modulePreload: false,
    // What the page's dependencies ask for: their notices go with it.
    license: { fileName: "licences.md" },
    chunkSizeWarningLimit: 1200,
    rolldownOptions: { checks: { pluginTimings: false }, output: { format: "iife", codeSplitting: false } },
  },
  server: { fs: { allow: [root] } },
});
