// Live updates, local time, copy buttons and a keyboard shortcut.
// Everything works without this file.
(() => {
  "use strict";

  // Below the path of `public_url`.
  const scriptUrl = document.currentScript.src;

  const main = () => document.getElementById("main");

  // Local time, with UTC on hover.

  const clock = new Intl.DateTimeFormat(undefined, {
    year: "numeric", month: "short", day: "numeric",
    hour: "2-digit", minute: "2-digit", second: "2-digit",
  });

  function showLocalTimes(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.title = at.toISOString().replace("T", " ").replace("Z", " UTC");
      time.textContent = clock.format(at);
    }
  }

  // Copy buttons beside readonly fields.

  function addCopyButtons(root) {
    if (!navigator.clipboard) return;
    for (const field of root.querySelectorAll("input[data-copy]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.id = `copy-${field.id}`;
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(field.value);
          button.textContent = "Copied";
          setTimeout(() => { button.textContent = "Copy"; }, 2000);
        } catch {
          field.select();
        }
      });
      field.after(button);
    }
  }

  // Omits empty fields, which would make URLs long.

  function omitEmptyFields(root) {
    for (const form of root.querySelectorAll("form.filters")) {
      form.addEventListener("formdata", (event) => {
        const empty = [...event.formData].filter(([, value]) => value === "").map(([name]) => name);
        for (const name of empty) event.formData.delete(name);
      });
    }
  }

  function enhance(root) {
    showLocalTimes(root);
    addCopyButtons(root);
    omitEmptyFields(root);
  }

  // `/` focuses the search box.

  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) return;
    const search = document.getElementById("search");
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  });

  // Live updates: fetch this URL again and replace the content; keep focus, input and scroll positions.

  const fieldKey = (field) => field.id || `${field.form?.getAttribute("action") ?? ""} ${field.name}`;

  function typedValues(root) {
    const typed = new Map();
    for (const field of root.querySelectorAll("input:not([type=hidden]), select, textarea")) {
      const untouched = field.tagName === "SELECT"
        ? [...field.options].every((option) => option.selected === option.defaultSelected)
        : field.value === field.defaultValue;
      if (!untouched) typed.set(fieldKey(field), field.value);
    }
    return typed;
  }

  function replaceContent(next) {
    const current = main();
    const focused = current.contains(document.activeElement) ? document.activeElement : null;
    const focusedHref = focused?.getAttribute("href");
    const focusedKey = focused && ("form" in focused) ? fieldKey(focused) : focused?.id;
    const selection = focused && "selectionStart" in focused
      ? [focused.selectionStart, focused.selectionEnd] : null;
    const typed = typedValues(current);
    const open = [...current.querySelectorAll("details[id]")].map((d) => [d.id, d.open]);
    const scrolled = [...current.querySelectorAll(".scroll, .raw")].map((e) => [e.scrollLeft, e.scrollTop]);

    current.replaceChildren(...next.childNodes);
    enhance(current);

    for (const field of current.querySelectorAll("input:not([type=hidden]), select, textarea")) {
      const value = typed.get(fieldKey(field));
      if (value !== undefined) field.value = value;
    }
    for (const [id, wasOpen] of open) {
      const details = document.getElementById(id);
      if (details) details.open = wasOpen;
    }
    current.querySelectorAll(".scroll, .raw").forEach((element, index) => {
      if (scrolled[index]) [element.scrollLeft, element.scrollTop] = scrolled[index];
    });
    if (!focused) return;
    const again = focusedHref
      ? [...current.querySelectorAll("a[href]")].find((a) => a.getAttribute("href") === focusedHref)
      : [...current.querySelectorAll("input, select, textarea, button, summary, [tabindex]")]
        .find((e) => (("form" in e) ? fieldKey(e) : e.id) === focusedKey);
    again?.focus({ preventScroll: true });
    if (selection && again && "setSelectionRange" in again) {
      try { again.setSelectionRange(...selection); } catch { /* fields of this type have no selection */ }
    }
  }

  let waiting = null;
  let fetching = false;
  let stale = false;

  // A refresh would close an open select or date picker.
  const busy = () => main().querySelector("select:focus, input[type=date]:focus") !== null
    || !(document.getSelection()?.isCollapsed ?? true);

  async function refresh() {
    waiting = null;
    if (fetching || document.hidden || busy()) { stale = true; return; }
    fetching = true;
    stale = false;
    try {
      const reply = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (reply.redirected) { location.reload(); return; }
      if (!reply.ok) return;
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      const next = page.getElementById("main");
      if (next && !busy()) {
        document.title = page.title;
        replaceContent(next);
      } else {
        stale = true;
      }
    } catch {
      // Temporarily unreachable; the next event or reconnect tries again.
    } finally {
      fetching = false;
      if (stale) schedule();
    }
  }

  function schedule() {
    stale = true;
    if (waiting === null && !document.hidden) waiting = setTimeout(refresh, 400);
  }

  function follow() {
    if (!("EventSource" in window) || main()?.dataset.live === undefined) return;
    const events = new EventSource(new URL("../api/v1/live", scriptUrl));
    let opened = false;
    events.addEventListener("open", () => {
      // Events between two connections are lost.
      if (opened) schedule();
      opened = true;
    });
    for (const name of ["message", "state", "resync"]) events.addEventListener(name, schedule);
    document.addEventListener("visibilitychange", () => { if (!document.hidden && stale) schedule(); });
    window.addEventListener("pagehide", () => events.close());
  }

  enhance(document);
  follow();
})();
