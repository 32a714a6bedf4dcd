// The dashboard in a browser, with the demo's traffic. Tests check visible text and roles, not markup.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { PATIENCE, eventually, startBrowser, startDemo } from "./harness.js";

const PROVIDERS = ["sobot", "kaleyra", "zixflow", "lancepilot"];
const PAGES = ["/", "/messages", "/messages/resend?state=failed", "/messages?sort=changed&column=kind", "/problems", "/callbacks", "/callbacks/replay?outcome=receipts", "/accounts", "/reports", "/reports?interval=month&by=account,kind,campaign", "/settlement"];

let demo;
let browser;
let context;
let page;
/** Browser errors: script errors and requests that the security policy refused. */
const errors = [];

before(async () => {
  demo = await startDemo();
  browser = await startBrowser();
  context = await browser.newContext({ baseURL: demo.origin });
  context.setDefaultTimeout(PATIENCE);
  page = await context.newPage();
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
});

after(async () => {
  await browser?.close();
  if (demo) assert.equal(await demo.stop(), 0, demo.log());
});

/** The rows of the table of messages, without its head. */
function rows(on) {
  return on.getByRole("table", { name: /messages/i }).getByRole("row").filter({ has: on.getByRole("cell") });
}

describe("the dashboard", { concurrency: false }, () => {
  test("requires the sign-in link", async () => {
    const other = await browser.newContext({ baseURL: demo.origin });
    const unknown = await other.newPage();
    await unknown.goto("/messages");
    assert.equal(new URL(unknown.url()).pathname, "/login");
    await other.close();
  });

  test("signs in with the one-time link and its button", async () => {
    await page.goto(demo.link);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByLabel("Pages").getByRole("link", { name: "Messages", exact: true }).waitFor();
    assert.equal(new URL(page.url()).pathname, "/");
  });

  test("accepts the link only once", async () => {
    const other = await browser.newContext();
    const late = await other.newPage();
    await late.goto(demo.link);
    const button = late.getByRole("button", { name: "Sign in" });
    if (await button.isVisible()) await button.click();
    await late.getByText("no longer works").waitFor({ timeout: PATIENCE });
    await other.close();
  });

  test("shows messages of all four providers that reach read", async () => {
    for (const provider of PROVIDERS) {
      await eventually(page, `/messages?provider=${provider}&state=read`, async () => (await rows(page).count()) > 0);
    }
  });

  test("filters the list by a filter in the URL", async () => {
    await page.goto("/messages");
    await page.getByLabel("Provider").selectOption("kaleyra");
    await page.getByRole("button", { name: "Filter" }).click();
    await page.waitForURL(/provider=kaleyra/);
    const shown = await rows(page).allInnerTexts();
    assert.ok(shown.length > 0);
    for (const text of shown) assert.match(text, /kaleyra/i);
    await page.getByRole("navigation", { name: "States" }).getByRole("link", { name: "Read" }).click();
    await page.waitForURL((url) => url.search.includes("provider=kaleyra") && url.search.includes("state=read"));
    for (const text of await rows(page).allInnerTexts()) assert.match(text, /\bRead\b/);
  });

  test("finds a message by its recipient's number", async () => {
    await page.goto("/messages?provider=kaleyra&state=read");
    const link = rows(page).first().getByRole("link").first();
    const digits = (await link.innerText()).replace(/\D/g, "");
    const address = await link.getAttribute("href");
    await page.goto("/messages");
    await page.getByRole("searchbox").fill(`+${digits}`);
    await page.getByRole("searchbox").press("Enter");
    await page.waitForURL(/q=/);
    const found = await page.locator(`a[href="${address}"]`).count();
    assert.ok(found > 0, "the message is not among those of its own number");
  });

  test("announces new rows and shows them only on demand", async () => {
    await page.goto("/messages");
    const first = () => rows(page).first().getByRole("link").first().getAttribute("href");
    const before = await first();
    const announcement = page.getByRole("button", { name: /\d+ new(, \d+ changed)? · show/ });
    await announcement.waitFor();
    assert.equal(await first(), before, "the list moved");
    await announcement.click();
    assert.notEqual(await first(), before, "the new rows are missing");
    assert.equal(await announcement.isVisible(), false);
  });

  test("keeps rows selected while the list changes, and says what an action would do", async () => {
    await page.goto("/messages?state=failed");
    const first = rows(page).first();
    await first.waitFor();
    const bar = page.getByRole("form", { name: "With the selected messages" });
    assert.equal(await bar.isVisible(), false, "nothing is selected");
    const box = first.getByRole("checkbox");
    const id = await box.getAttribute("value");
    await box.check();
    await bar.waitFor();
    // Of a refreshed list.
    await page.getByRole("button", { name: /\d+ new(, \d+ changed)? · show/ }).waitFor();
    await page.getByRole("button", { name: /\d+ new(, \d+ changed)? · show/ }).click();
    const again = page.locator(`input[value="${id}"]`);
    if (await again.count()) assert.equal(await again.isChecked(), true, "the selection is lost");
    else await rows(page).first().getByRole("checkbox").check();
    await bar.getByRole("button", { name: "Resend…" }).click();
    await page.getByRole("heading", { level: 1, name: /^Resend/ }).waitFor();
    await page.getByText("1 selected message", { exact: true }).waitFor();
    await page.getByRole("link", { name: /^All [\d,]+ that match the list$/ }).waitFor();
    await page.getByText("Nothing has changed yet.").waitFor();
    await page.getByRole("button", { name: /^Resend 1 message/ }).click();
    await page.getByRole("heading", { level: 1, name: "1 message was resent" }).waitFor();
  });

  test("cancels a selection without JavaScript", async () => {
    const plain = await browser.newContext({
      baseURL: demo.origin,
      javaScriptEnabled: false,
      storageState: await context.storageState(),
    });
    const simple = await plain.newPage();
    await simple.goto("/messages?state=read");
    await rows(simple).first().getByRole("checkbox").check();
    await rows(simple).nth(1).getByRole("checkbox").check();
    await simple.getByRole("form", { name: "With the selected messages" }).getByRole("button", { name: "Cancel…" }).click();
    await simple.getByRole("heading", { level: 1, name: "Cancel 0 of 2 messages" }).waitFor({ timeout: PATIENCE });
    await simple.getByText("only a queued message can be cancelled").first().waitFor();
    await simple.getByText("There is nothing to do.").waitFor();
    await plain.close();
  });

  test("holds still while updates are paused, also after another page, and continues", async () => {
    await page.goto("/");
    const pause = page.getByRole("button", { name: "Pause updates" });
    const resume = page.getByRole("button", { name: "Resume updates" });
    await pause.click();
    await resume.waitFor();
    await page.goto("/messages");
    await resume.waitFor();
    let refreshed = 0;
    const count = (request) => { if (request.resourceType() === "fetch") refreshed += 1; };
    page.on("request", count);
    const before = await page.locator("main").innerText();
    const other = await context.newPage();
    // The demo sends all the time: another tab, which is not paused, announces new messages.
    await other.goto("/messages");
    await other.getByRole("button", { name: /\d+ new(, \d+ changed)? · show/ }).waitFor({ timeout: PATIENCE });
    await other.close();
    assert.equal(refreshed, 0, "the page was fetched again");
    const links = (text) => text.replace(/\d+ (s|min|h|d)\b/g, "");
    assert.equal(links(await page.locator("main").innerText()), links(before));
    await resume.click();
    await page.getByRole("button", { name: /\d+ new(, \d+ changed)? · show/ }).waitFor();
    assert.ok(refreshed > 0);
    page.off("request", count);
    await page.goto("/problems");
    assert.equal(await page.getByRole("button", { name: /updates$/ }).count(), 0, "problems never move");
  });

  test("opens a row with the keyboard alone", async () => {
    await page.goto("/messages");
    const second = await rows(page).nth(1).getByRole("link").first().getAttribute("href");
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => url.pathname === second);
    await page.keyboard.press("/");
    assert.equal(await page.evaluate(() => document.activeElement.id), "search");
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
    await page.keyboard.press("Escape");
  });

  test("shows the timeline of a message in order", async () => {
    await page.goto("/messages?provider=kaleyra&state=read");
    await rows(page).first().getByRole("link").first().click();
    await page.getByRole("heading", { name: "Timeline" }).waitFor();
    const entries = await page
      .getByRole("region", { name: "Timeline" })
      .getByRole("listitem")
      .allInnerTexts();
    const indexOf = (words) => entries.findIndex((entry) => words.test(entry));
    for (const words of [/queued/i, /delivered/i, /read/i]) {
      assert.ok(indexOf(words) >= 0, `${words} is missing:\n${entries.join("\n--\n")}`);
    }
    assert.ok(indexOf(/queued/i) < indexOf(/delivered/i), entries.join("\n--\n"));
  });

  test("shows the raw callback behind a report", async () => {
    await page.getByRole("link", { name: /^open callback/i }).first().click();
    await page.waitForURL(/\/callbacks\//);
    await page.getByRole("heading", { name: "Body" }).waitFor();
  });

  test("explains on a failed message's page why it failed and what to do", async () => {
    const link = await eventually(page, "/messages?state=failed", async () => {
      const first = rows(page).first().getByRole("link").first();
      return (await first.count()) > 0 && (await first.getAttribute("href"));
    });
    await page.goto(link);
    const why = page.getByRole("region", { name: "Why" });
    const words = await why.innerText();
    assert.match(words, /It will not arrive\. .{10,}/);
    assert.match(words, /Failure\s+\S/);
    const next = words.slice(words.indexOf("Next steps"), words.indexOf("Because"));
    assert.match(next, /^Next steps\s+[A-Z].{10,}\./);
    assert.match(words.slice(words.indexOf("Because")), /failed with .*: reported by|refused/);
    await why.getByText("Resend…").click();
    await why.getByRole("button", { name: "Resend as a new message" }).waitFor();
  });

  test("previews a replay, and applies it only when confirmed", async () => {
    await page.goto("/callbacks?outcome=receipts");
    await page.getByRole("table", { name: "Callbacks" }).getByRole("link").first().click();
    await page.getByRole("heading", { name: "What it changed" }).waitFor();
    const callback = page.url();
    await page.getByRole("link", { name: "Replay…" }).click();
    await page.getByRole("heading", { name: "Replay this callback?" }).waitFor();
    await page.getByText("1 callback.").waitFor();
    await page.getByRole("link", { name: "Cancel" }).click();
    assert.equal(page.url(), callback);
    await page.getByRole("link", { name: "Replay…" }).click();
    await page.getByRole("button", { name: "Replay now" }).click();
    await page.getByRole("heading", { name: "What it changed" }).waitFor();
    assert.equal(page.url(), callback);
  });

  test("shows each account with its callback URL and the set-up steps", async () => {
    await page.goto("/accounts");
    const addresses = page.getByLabel("Callback URL");
    assert.equal(await addresses.count(), PROVIDERS.length);
    for (const field of await addresses.all()) {
      assert.match(await field.inputValue(), /\/callbacks\/[a-z0-9-]+\/[\w-]{43}$/);
    }
  });

  test("keeps the focus on a section of an account while the page is updated", async () => {
    await page.goto("/accounts");
    const pause = page.locator("details[id^=pause-] > summary").last();
    await pause.focus();
    await pause.evaluate((element) => { window.replaced = element; });
    const expected = await pause.evaluate((element) => element.parentElement.id);
    await page.waitForFunction(() => !window.replaced.isConnected, undefined, { timeout: PATIENCE });
    assert.equal(await page.evaluate(() => document.activeElement.parentElement.id), expected);
  });

  test("checks the form of a message while it is typed, without moving a field", async () => {
    await page.goto("/");
    await page.getByLabel("Pages").getByRole("link", { name: "Send", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "Send a message" }).waitFor();
    // The account that was used last may be one that requires a name.
    await page.locator("select[name=account]").selectOption("kaleyra-in");
    const link = page.locator("input[name='media.url']");
    const before = await link.boundingBox();
    const buttonBefore = await page.getByRole("button", { name: "Preview" }).boundingBox();
    const to = page.locator("input[name=to]");
    await to.fill("12");
    const error = page.locator("#error-to");
    await page.waitForFunction(() => document.getElementById("error-to").textContent !== "");
    // The longest message, in two lines.
    await link.fill("https://media.example.com/a.webp");
    await page.waitForFunction(() => document.getElementById("error-media.url").textContent !== "");
    const button = page.getByRole("button", { name: "Preview" });
    assert.equal((await link.boundingBox()).y, before.y, "the fields moved");
    assert.equal((await button.boundingBox()).y, buttonBefore.y, "the buttons moved");
    await to.fill("+447700900123");
    await link.fill("https://media.example.com/a.jpg");
    await page.locator("#preview pre").waitFor();
    assert.equal(await error.textContent(), "");
    // A chosen file makes the preview of the link wrong.
    await page.locator("input[name=file]").setInputFiles({ name: "a.jpg", mimeType: "image/jpeg", buffer: Buffer.from("x") });
    await page.getByText("Press Preview to see the request with the chosen file.").waitFor();
    assert.equal(await page.locator("#preview pre").count(), 0);
    await page.locator("input[name=file]").evaluate((field) => { field.dataset.limit = "3"; });
    await page.locator("input[name=file]").setInputFiles({ name: "b.jpg", mimeType: "image/jpeg", buffer: Buffer.from("large") });
    assert.equal(await page.locator("#error-file").textContent(), "is larger than 3 bytes");
  });

  test("sends a single message without JavaScript", async () => {
    const plain = await browser.newContext({ baseURL: demo.origin, javaScriptEnabled: false, storageState: await context.storageState() });
    const form = await plain.newPage();
    await form.goto("/send");
    await form.locator("select[name=account]").selectOption("kaleyra-in");
    await form.getByLabel("To required").fill("+447700900123");
    await form.getByLabel("Link to the image or video").fill("https://media.example.com/a.jpg");
    await form.getByRole("button", { name: "Preview" }).click();
    await form.locator("#preview pre").waitFor();
    await form.getByRole("button", { name: "Send", exact: true }).click();
    await form.getByRole("heading", { name: "Timeline" }).waitFor();
    await plain.close();
  });

  test("selects all rows of the page at once", async () => {
    await page.goto("/messages");
    await rows(page).first().waitFor();
    await page.getByRole("button", { name: "Pause updates" }).click();
    const all = page.getByRole("checkbox", { name: "Select all on this page" });
    await all.check();
    const boxes = page.locator(".rows .select");
    assert.equal(await page.locator(".rows .select:checked").count(), await boxes.count());
    await boxes.first().uncheck();
    assert.equal(await all.evaluate((box) => box.indeterminate), true);
    await page.getByRole("button", { name: "Select this page" }).click();
    assert.equal(await all.isChecked(), true);
    await all.uncheck();
    assert.equal(await page.locator(".rows .select:checked").count(), 0);
    await boxes.nth(4).check();
    await boxes.nth(1).click({ modifiers: ["Shift"] });
    assert.equal(await page.locator(".rows .select:checked").count(), 4);
    await boxes.nth(1).click();
    await boxes.nth(4).click({ modifiers: ["Shift"] });
    assert.equal(await page.locator(".rows .select:checked").count(), 0);
    await page.getByRole("button", { name: "Resume updates" }).click();
  });

  test("exports the filtered rows", async () => {
    await page.goto("/messages?provider=sobot&state=read");
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "CSV" }).click(),
    ]);
    let text = "";
    for await (const chunk of await download.createReadStream()) text += chunk;
    const [head, ...lines] = text.trimEnd().split(/\r?\n/);
    // Excel needs the byte order mark.
    assert.ok(head.startsWith("\uFEFFid,account,provider,"), head);
    assert.ok(lines.length > 0);
    for (const line of lines) assert.match(line, /,sobot,/);
  });

  test("is complete without JavaScript, and fits a screen of any width", async () => {
    const plain = await browser.newContext({
      baseURL: demo.origin,
      javaScriptEnabled: false,
      storageState: await context.storageState(),
      viewport: { width: 320, height: 640 },
    });
    const narrow = await plain.newPage();
    for (const address of PAGES) {
      const answer = await narrow.goto(address);
      assert.equal(answer.status(), 200, address);
      await narrow.getByRole("heading", { level: 1 }).waitFor({ timeout: PATIENCE });
      for (const wanted of [1920, 1280, 1024, 768, 600, 390, 320]) {
        await narrow.setViewportSize({ width: wanted, height: 640 });
        const width = await narrow.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(width <= wanted, `${address} is ${width} px wide at ${wanted} px`);
      }
    }
    const header = narrow.getByRole("banner");
    assert.ok((await header.boundingBox()).height <= 64, "the header takes the screen");
    const link = narrow.getByRole("link", { name: "Accounts", exact: true });
    assert.equal(await link.isVisible(), false, "the menu is closed");
    await narrow.getByLabel(/^Menu/).focus();
    await narrow.keyboard.press("Space");
    await link.click();
    await narrow.waitForURL(/accounts$/);
    await plain.close();
  });

  test("causes no browser errors", () => {
    assert.deepEqual(errors, []);
  });
});
