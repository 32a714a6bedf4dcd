// Starts and stops `bluetick demo` and a browser.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const BINARY = process.env.BLUETICK_BINARY ?? "../../target/debug/bluetick";
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** Time limit for the sign-in link, ms; enough for a debug build that fills a month on a busy machine. */
const STARTS_WITHIN = 120_000;
/** Time limit after SIGTERM, ms; the demo drains for at most 15 s. */
const ENDS_WITHIN = 20_000;
/** Time limit for anything awaited in the browser, ms. */
export const PATIENCE = 60_000;

/** The demo on a free port: `{ link, origin, stop }`. */
export async function startDemo(options = []) {
  const child = spawn(BINARY, ["demo", ...options], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stderr.on("data", (chunk) => (log += chunk));
  const ended = once(child, "exit");
  const link = await withDeadline(STARTS_WITHIN, "a sign-in link", async () => {
    for await (const line of createInterface({ input: child.stdout })) {
      const found = line.match(/https?:\/\/\S*\/login\S*/);
      if (found) return found[0];
    }
    throw new Error(`the demo ended without a sign-in link:\n${log}`);
  }).catch((error) => {
    child.kill("SIGKILL");
    throw error;
  });
  child.stdout.resume();
  return {
    link,
    origin: new URL(link).origin,
    log: () => log,
    /** Stops the demo with SIGTERM and returns its exit code. */
    async stop() {
      child.kill("SIGTERM");
      try {
        const [code] = await withDeadline(ENDS_WITHIN, "the demo's end", () => ended);
        return code;
      } catch (error) {
        child.kill("SIGKILL");
        throw error;
      }
    },
  };
}

/** Debian's Chromium without a window. Root may not use its sandbox; every page is our own. */
export function startBrowser() {
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
}

/** Loads a URL until `find` returns something truthy, and returns that. */
export async function eventually(page, address, find) {
  const end = Date.now() + PATIENCE;
  while (Date.now() < end) {
    await page.goto(address);
    const found = await find(page);
    if (found) return found;
    await page.waitForTimeout(250);
  }
  throw new Error(`in vain for ${PATIENCE} ms: ${address}`);
}

async function withDeadline(milliseconds, what, run) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([run(), late]);
  } finally {
    clearTimeout(timer);
  }
}
