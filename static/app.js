// Live updates, local time, copy buttons and keyboard shortcuts.
// Everything works without this file.
(() => {
  "use strict";

  // URLs are resolved against the script: pages may be below a path of `public_url`.
  const scriptUrl = document.currentScript.src;

  const main = () => document.getElementById("main");

  document.documentElement.classList.add("script");

  // The server shows times in the zone of the browser, unless the viewer chose another.

  const browserZone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zoneCookie = `bluetick_browser_zone=${browserZone}`;
  const zoneIsNew = browserZone && !document.cookie.split("; ").includes(zoneCookie);
  if (zoneIsNew) {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `${zoneCookie}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  }

  // Times in the zone of the page, with UTC on hover.

  let clock;
  let clockZone;

  function clockOf(zone) {
    if (!clock || clockZone !== zone) {
      clockZone = zone;
      // `2026-11-25 04:22:43`, as the server writes them: Swedish times have this form.
      clock = new Intl.DateTimeFormat("sv-SE", {
        timeZone: zone,
        year: "numeric", month: "2-digit", day: "2-digit",
        hour: "2-digit", minute: "2-digit", second: "2-digit",
      });
    }
    return clock;
  }

  function showLocalTimes(root) {
    const clock = clockOf(main()?.dataset.zone);
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.title = at.toISOString().replace("T", " ").replace("Z", " UTC");
      if (time.closest(".rows .instant")) {
        time.title = `${clock.format(at)}, ${time.title}`;
        time.textContent = age(Date.now() - at.getTime());
      } else {
        time.textContent = clock.format(at);
      }
    }
  }

  // In lists the age is enough; the exact time is on hover.

  function age(millis) {
    // Up to a minute may be the difference between two clocks.
    if (millis < -60000) return `in ${age(-millis)}`;
    const seconds = Math.max(0, Math.round(millis / 1000));
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
    if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
    return `${Math.round(seconds / 86400)} d`;
  }

  setInterval(() => { if (!document.hidden) showLocalTimes(main()); }, 15000);

  // Copy buttons beside readonly fields.

  function addCopyButtons(root) {
    if (!navigator.clipboard) return;
    for (const field of root.querySelectorAll("[data-copy]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.id = `copy-${field.id}`;
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(field.value ?? field.textContent);
          button.textContent = "Copied";
          setTimeout(() => { button.textContent = "Copy"; }, 2000);
        } catch {
          if (field.select) field.select();
          else document.getSelection().selectAllChildren(field);
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

  // Select all rows of the page, or with Shift all rows since the last one clicked.

  function offerSelectAll(root) {
    const boxes = () => [...main().querySelectorAll(".rows .select")];
    const all = document.getElementById("select-all");
    const button = document.getElementById("select-page");
    if (!all || !button || !root.contains(all)) return;
    const show = () => {
      const selected = boxes().filter((box) => box.checked).length;
      all.checked = selected > 0 && selected === boxes().length;
      all.indeterminate = selected > 0 && !all.checked;
    };
    const select = (checked) => {
      for (const box of boxes()) box.checked = checked;
      show();
    };
    all.hidden = false;
    button.hidden = false;
    all.addEventListener("change", () => select(all.checked));
    for (const pick of root.querySelectorAll("[data-pick]")) {
      pick.addEventListener("click", () => {
        const number = pick.dataset.pick === "all" ? Infinity : Number(pick.dataset.pick);
        boxes().forEach((box, index) => { box.checked = index < number; });
        show();
      });
    }
    button.addEventListener("click", () => select(true));
    main().onchange = (event) => { if (event.target.matches(".select")) show(); };
    let last = null;
    main().onclick = (event) => {
      if (!event.target.matches(".rows .select")) return;
      const places = [last, event.target].map((box) => boxes().indexOf(box)).sort((a, b) => a - b);
      if (event.shiftKey && places[0] >= 0) {
        for (const box of boxes().slice(places[0], places[1] + 1)) box.checked = event.target.checked;
        show();
      }
      last = event.target;
    };
    show();
  }

  function offerPrint(root) {
    const button = root.querySelector("#print");
    if (!button) return;
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }

  function enhance(root) {
    offerPrint(root);
    showLocalTimes(root);
    offerSelectAll(root);
    addCopyButtons(root);
    omitEmptyFields(root);
  }

  // Keys: `/` search, `j` and `k` rows, `?` help, Escape leaves a field.

  function moveRow(step) {
    const links = [...main().querySelectorAll(".rows a.row-link")];
    if (links.length === 0) return;
    const at = links.indexOf(document.activeElement);
    const next = at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step;
    links[Math.min(Math.max(next, 0), links.length - 1)].focus();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    const actions = {
      "/": () => { const search = document.getElementById("search"); search?.focus(); search?.select(); },
      "j": () => moveRow(1),
      "k": () => moveRow(-1),
      "?": () => document.getElementById("keys")?.showModal(),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  // Live updates: fetch this URL again and replace the content; keep focus, input and scroll positions.

  const fieldKey = (field) => field.id || `${field.form?.getAttribute("action") ?? ""} ${field.name}`;
  // Identifies an element that can have the focus, other than links; empty if it could not be found again.
  const focusKey = (element) => {
    if ("form" in element) return fieldKey(element);
    if (element.id || element.tagName !== "SUMMARY") return element.id;
    const { id } = element.parentElement;
    return id && `summary of ${id}`;
  };
  const isCheck = (field) => field.type === "checkbox" || field.type === "radio";

  function typedValues(root) {
    const typed = new Map();
    for (const field of root.querySelectorAll("input:not([type=hidden]), select, textarea")) {
      const untouched = field.tagName === "SELECT"
        ? [...field.options].every((option) => option.selected === option.defaultSelected)
        : isCheck(field) ? field.checked === field.defaultChecked : field.value === field.defaultValue;
      if (!untouched) typed.set(fieldKey(field), isCheck(field) ? field.checked : field.value);
    }
    return typed;
  }

  function replaceContent(next) {
    const current = main();
    const focused = current.contains(document.activeElement) ? document.activeElement : null;
    const focusedHref = focused?.getAttribute("href");
    const focusedKey = focused && focusKey(focused);
    const selection = focused && "selectionStart" in focused
      ? [focused.selectionStart, focused.selectionEnd] : null;
    const typed = typedValues(current);
    const open = [...current.querySelectorAll("details[id]")].map((d) => [d.id, d.open]);
    const scrolled = [...current.querySelectorAll(".scroll, .raw")].map((e) => [e.scrollLeft, e.scrollTop]);

    current.replaceChildren(...next.childNodes);
    enhance(current);

    for (const field of current.querySelectorAll("input:not([type=hidden]), select, textarea")) {
      const value = typed.get(fieldKey(field));
      if (value === undefined) continue;
      if (isCheck(field)) field.checked = value;
      else field.value = value;
    }
    document.getElementById("select-all")?.closest("table")?.querySelector(".select")
      ?.dispatchEvent(new Event("change", { bubbles: true }));
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
        .find((e) => focusedKey && focusKey(e) === focusedKey);
    again?.focus({ preventScroll: true });
    if (selection && again && "setSelectionRange" in again) {
      try { again.setSelectionRange(...selection); } catch { /* fields of this type have no selection */ }
    }
  }

  // Rows of a list do not move: known rows change in place, new rows are only counted until the viewer asks for them.

  const rowLink = (row) => row.querySelector("a.row-link")?.getAttribute("href");
  const listedRows = (root) => [...root.querySelectorAll("table.rows > tbody > tr")].filter(rowLink);

  function updateList(next) {
    const whole = next.cloneNode(true);
    const known = new Map(listedRows(main()).map((row) => [rowLink(row), row]));
    let added = 0;
    const rows = listedRows(next);
    const heads = (root) => root.querySelector("table.rows > thead")?.textContent;
    const sameColumns = heads(next) === heads(main());
    // Before the content of these rows is moved into the rows shown.
    const kept = new Set(rows.map(rowLink));
    for (const row of rows) {
      const shown = known.get(rowLink(row));
      if (!shown) {
        added += 1;
      } else if (sameColumns && !shown.contains(document.activeElement) && !shown.matches(":hover")) {
        const selected = shown.querySelector(".select")?.checked === true;
        shown.replaceChildren(...row.childNodes);
        if (selected) shown.querySelector(".select").checked = true;
        showLocalTimes(shown);
      }
    }
    const gone = [...known.keys()].filter((link) => !kept.has(link)).length;
    // New rows push as many off the page; others left because they changed.
    const changed = Math.max(0, gone - added);
    const button = document.getElementById("new-rows");
    if (!button || added + changed === 0) return;
    const parts = [added && `${added} new`, changed && `${changed} changed`].filter(Boolean);
    button.textContent = `${parts.join(", ")} · show`;
    button.hidden = false;
    button.onclick = () => replaceContent(whole);
  }

  let waiting = null;
  let fetching = false;
  let stale = false;

  // Updates can be paused; the tab remembers it.

  const PAUSED = "paused-updates";
  let paused = remembersPause();

  function remembersPause() {
    try { return sessionStorage.getItem(PAUSED) !== null; } catch { return false; }
  }

  function rememberPause() {
    try {
      if (paused) sessionStorage.setItem(PAUSED, "1");
      else sessionStorage.removeItem(PAUSED);
    } catch { /* storage is switched off: the pause ends with the page */ }
  }

  function offerPause() {
    const button = document.getElementById("pause");
    if (!button) return;
    const show = () => {
      button.textContent = paused ? "Resume updates" : "Pause updates";
    };
    show();
    button.hidden = false;
    button.addEventListener("click", () => {
      paused = !paused;
      rememberPause();
      show();
      if (!paused) schedule();
    });
  }

  // A refresh would close an open select or date picker.
  const busy = () => main().querySelector("select:focus, input[type=date]:focus") !== null
    // Replacing the page would lose a chosen file.
    || [...main().querySelectorAll("input[type=file]")].some((field) => field.files.length > 0)
    || !(document.getSelection()?.isCollapsed ?? true);

  async function refresh() {
    waiting = null;
    if (paused || fetching || document.hidden) { stale = true; return; }
    // Checks again, without fetching, until the viewer has finished.
    if (busy()) { schedule(); return; }
    fetching = true;
    stale = false;
    try {
      const reply = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (reply.redirected) { location.reload(); return; }
      if (!reply.ok) return;
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      const next = page.getElementById("main");
      // Not a page of ours: a proxy's sign-in page, for instance.
      if (!next) return;
      if (!paused && !busy()) {
        document.title = page.title;
        const otherZone = next.dataset.zone !== main().dataset.zone;
        if (otherZone) main().dataset.zone = next.dataset.zone;
        if (main().dataset.live === "list" && listedRows(main()).length > 0 && !otherZone) updateList(next);
        else replaceContent(next);
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
    if (waiting === null && !paused && !document.hidden) waiting = setTimeout(refresh, 1000);
  }

  function follow() {
    if (!("EventSource" in window) || main()?.dataset.live === undefined) return;
    offerPause();
    listen(false);
    document.addEventListener("visibilitychange", () => { if (!document.hidden && stale) schedule(); });
  }

  // Browsers reconnect by themselves after a lost connection, but not after an error such as 503 during an upgrade.
  const RECONNECT_PAUSE = 30000;

  function listen(opened) {
    const events = new EventSource(new URL("../api/v1/live", scriptUrl));
    events.addEventListener("open", () => {
      // Events between two connections are lost.
      if (opened) schedule();
      opened = true;
    });
    events.addEventListener("error", () => {
      if (opened && events.readyState === EventSource.CLOSED) setTimeout(listen, RECONNECT_PAUSE, true);
    });
    for (const name of ["message", "state", "resync"]) events.addEventListener(name, schedule);
    window.addEventListener("pagehide", () => events.close());
  }

  // A form that is checked while the operator types: errors of the fields already filled in, and the preview.

  function checkWhileTyping(form) {
    const typed = new Set();
    let timer = null;
    let request = null;

    async function check() {
      request?.abort();
      request = new AbortController();
      const fields = new FormData(form);
      // Only the complete submission uploads the file.
      const hasFile = form.elements.file?.files.length > 0;
      if (hasFile) forgetPreview();
      fields.delete("file");
      fields.set("file_chosen", hasFile ? "1" : "");
      fields.set("action", "check");
      try {
        const reply = await fetch(form.getAttribute("action"), { method: "POST", body: fields, signal: request.signal });
        if (reply.redirected || !reply.ok) return;
        const page = new DOMParser().parseFromString(await reply.text(), "text/html");
        for (const error of form.querySelectorAll(".field-error[id]")) {
          const name = error.id.replace("error-", "");
          // Kind and type can follow from the link.
          const isTyped = typed.has(name) || (["kind", "media.mime_type"].includes(name) && typed.has("media.url"));
          showError(name, isTyped ? page.getElementById(error.id)?.textContent ?? "" : "");
        }
        // The warning has been shown, so the submission need not ask again.
        document.getElementById("window-note").replaceChildren(...(page.getElementById("window-note")?.childNodes ?? []));
        form.elements.warned.value = page.querySelector("form[data-check]")?.elements.warned?.value ?? "";
        if (hasFile) return;
        const preview = page.getElementById("preview");
        document.getElementById("preview").replaceChildren(...(preview?.childNodes ?? []));
      } catch {
        // Unreachable, or another check began; the submission checks everything again.
      }
    }

    // The preview and the media errors shown are about the link, not the chosen file.
    function forgetPreview() {
      const note = document.createElement("p");
      note.className = "muted";
      note.textContent = "Press Preview to see the request with the chosen file.";
      document.getElementById("preview").replaceChildren(note);
      showError("media.url", "");
    }

    function showError(name, message) {
      const error = document.getElementById(`error-${name}`);
      error.textContent = message;
      form.elements[name].setAttribute("aria-invalid", String(message !== ""));
      form.elements[name].setAttribute("aria-describedby", error.id);
    }

    // Checked before the upload, which would be rejected.
    function checkFile(field) {
      const limit = Number(field.dataset.limit);
      const message = (field.files[0]?.size ?? 0) > limit ? `is larger than ${limit} bytes` : "";
      showError("file", message);
      field.setCustomValidity(message && `The file ${message}.`);
    }

    form.addEventListener("input", (event) => {
      if (event.target.type === "file") checkFile(event.target);
      typed.add(event.target.name);
      clearTimeout(timer);
      timer = setTimeout(check, 600);
    });
  }

  for (const form of document.querySelectorAll("form[data-check]")) checkWhileTyping(form);

  enhance(document);
  follow();
  // This page was rendered before the server knew the zone of the browser.
  if (zoneIsNew && main()?.dataset.live !== undefined && main().dataset.zone !== browserZone) schedule();
})();
