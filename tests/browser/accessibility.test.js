// No page violates a rule of axe, in either theme, on a phone, a tablet and a desktop.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { PATIENCE, eventually, startBrowser, startDemo } from "./harness.js";

const PAGES = [
  "/", "/?days=1", "/?from=2026-12-02&to=2026-12-01", "/messages", "/messages?state=failed", "/campaigns", "/send",
  "/problems", "/orphans/put-aside", "/callbacks", "/callbacks/replay?outcome=receipts", "/accounts", "/reports", "/settlement",
  "/settings", "/audit", "/no-such-page",
];
const WIDTHS = [320, 768, 1280];

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let demo;
let browser;
let page;
const pages = [...PAGES];

/** One line per violated rule, with the first elements that violate it. */
async function violations(on) {
  await on.evaluate(axe);
  const { violations: found } = await on.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.map(({ id, help, nodes }) => {
    const where = nodes.slice(0, 3).map((node) => `${node.html} (${node.failureSummary})`);
    return `${id}: ${help}\n  ${where.join("\n  ")}`;
  });
}

before(async () => {
  demo = await startDemo();
  browser = await startBrowser();
  const context = await browser.newContext({ baseURL: demo.origin });
  context.setDefaultTimeout(PATIENCE);
  page = await context.newPage();
  await page.goto(demo.link);
  assert.deepEqual(await violations(page), [], "the sign-in page");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByLabel("Pages").waitFor();
  // One page of each kind that has an id in its address.
  for (const list of ["/messages?state=failed", "/messages?state=read", "/callbacks"]) {
    const link = await eventually(page, list, () => page.locator(".rows a.row-link").first().getAttribute("href", { timeout: 1000 }).catch(() => null));
    pages.push(link);
  }
});

after(async () => {
  await browser?.close();
  if (demo) assert.equal(await demo.stop(), 0, demo.log());
});

describe("accessibility", { concurrency: false }, () => {
  for (const theme of ["light", "dark"]) {
    for (const width of WIDTHS) {
      test(`axe finds nothing in the ${theme} theme at ${width} px`, async () => {
        await page.emulateMedia({ colorScheme: theme });
        await page.setViewportSize({ width, height: 900 });
        for (const address of pages) {
          await page.goto(address);
          assert.deepEqual(await violations(page), [], address);
        }
      });
    }
  }
});
