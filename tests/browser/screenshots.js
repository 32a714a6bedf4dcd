// Takes the README's screenshots from a running demo: node screenshots.js FOLDER

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { eventually, startBrowser, startDemo } from "./harness.js";

const folder = process.argv[2] ?? "../../docs/images";
const demo = await startDemo(["--history", "30d"]);
const browser = await startBrowser();
try {
  await mkdir(folder, { recursive: true });
  const context = await browser.newContext({
    baseURL: demo.origin,
    viewport: { width: 1280, height: 800 },
    colorScheme: "light",
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(demo.link);
  await page.getByRole("button").first().click();
  await page.waitForURL(/\/$/);

  await page.goto("/");
  await page.screenshot({ path: join(folder, "overview.png") });

  await eventually(page, "/messages?state=failed", async () => {
    const link = page.locator("tbody tr").first().getByRole("link").first();
    if (!(await link.isVisible())) return false;
    await link.click();
    await page.getByRole("heading", { name: "Timeline" }).waitFor();
    return true;
  });
  await page.screenshot({ path: join(folder, "message.png") });
} finally {
  await browser.close();
  await demo.stop();
}
