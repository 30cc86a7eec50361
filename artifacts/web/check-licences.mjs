/** Refuses a lock file with a licence that a company cannot ship, or with the name of somebody's registry. */
import { readFileSync } from "node:fs";

const SHIPPED = new Set(["Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "0BSD"]);
// Nothing of these reaches the page: lightningcss minifies its styles, axe-core looks at it.
const BUILDING = new Set([...SHIPPED, "MPL-2.0", "CC0-1.0"]);

const text = readFileSync(new URL("package-lock.json", import.meta.url), "utf8");
const { packages } = JSON.parse(text);
const problems = Object.entries(packages)
  .filter(([path]) => path !== "")
  .flatMap(([path, { license, dev, resolved, hasInstallScript }]) => {
    const allowed = dev ? BUILDING : SHIPPED;
    return [
      ...(allowed.has(license) ? [] : [`${path}: licence ${license} is not allowed${dev ? "" : " in what is shipped"}`]),
      ...(resolved ? [`${path}: names the registry it came from; run npm install with this folder's .npmrc`] : []),
      ...(hasInstallScript && !dev ? [`${path}: runs a script when it is installed`] : []),
    ];
  });
for (const problem of problems) console.error(`web: ${problem}`);
process.exitCode = problems.length > 0 ? 1 : 0;
