// Starts `bluetick demo` and a browser, and takes both away again. Knows no page.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const BINARY = process.env.BLUETICK_BINARY ?? "../../target/debug/bluetick";
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** How long the demo may take to print its sign-in link, ms; a debug build on a busy machine. */
const STARTS_WITHIN = 30_000;
/** How long the demo may take to end after SIGTERM, ms: it drains for 15 s at the most. */
const ENDS_WITHIN = 20_000;
/** How long anything awaited in the browser may take, ms. */
export const PATIENCE = 60_000;

/** The demo on a port of its own choice: `{ link, origin, stop }`. */
export async function startDemo() {
  const child = spawn(BINARY, ["demo"], { stdio: ["ignore", "pipe", "pipe"] });
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
    /** Ends the demo as a service manager would; gives its exit code. */
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

/** Loads an address again and again until `look` finds something there, and gives what it found. */
export async function eventually(page, address, look) {
  const end = Date.now() + PATIENCE;
  while (Date.now() < end) {
    await page.goto(address);
    const found = await look(page);
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
