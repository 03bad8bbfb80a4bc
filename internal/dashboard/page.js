// Keeps an open page up to date: it asks for the page again with the ETag of what it shows, and puts in what changed. Without it the page is
// whole, and as old as its loading.
"use strict";
(() => {
  const every = 5000, most = 60000;
  const main = document.querySelector("[data-page]"), live = document.querySelector("[data-live]"), liveText = document.querySelector("[data-live-text]");
  const say = document.querySelector("[data-say]");
  let tag = "", wait = every, timer = 0, asking = false;

  const state = (ok, text) => {
    live.classList.toggle("on", ok);
    live.classList.toggle("off", !ok);
    live.title = text;
    liveText.textContent = text;
  };
  const rows = (root) => new Map([...root.querySelectorAll("[data-key], .row")].map((e) => [e.dataset.key || e.querySelector("h2").textContent, e]));
  const words = (e) => e.textContent.replace(/\s+/g, " ").trim();

  const put = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const next = fresh.querySelector("[data-page]");
    if (!next || next.innerHTML === main.innerHTML) return;
    const before = new Map([...rows(main)].map(([k, e]) => [k, words(e)]));
    const active = document.activeElement;
    const inside = main.contains(active) && active !== main;
    const same = (root) => [...root.querySelectorAll("a, button, input, select, summary, [tabindex]")];
    const place = inside ? same(main).indexOf(active) : -1;
    const typed = inside && active.matches("input, select");
    const open = [...main.querySelectorAll("details")].map((d) => d.open);
    const slid = [...main.querySelectorAll(".scroll")].map((e) => e.scrollLeft);
    const value = new Map([...main.querySelectorAll("input, select")].filter((e) => e.id).map((e) => [e.id, e.value]));
    const caret = typed && active.selectionStart;
    main.replaceChildren(...next.childNodes);
    document.title = fresh.title;
    main.querySelectorAll("details").forEach((d, i) => { d.open = !!open[i]; });
    main.querySelectorAll(".scroll").forEach((e, i) => { e.scrollLeft = slid[i] || 0; });
    value.forEach((v, id) => { const e = document.getElementById(id); if (e) e.value = v; });
    if (place >= 0 && same(main)[place]) {
      const e = same(main)[place];
      e.focus({ preventScroll: true });
      if (caret) try { e.setSelectionRange(caret, caret); } catch { /* it has no caret */ }
    }
    const news = [];
    rows(main).forEach((e, k) => {
      if (before.get(k) === words(e)) return;
      e.classList.add("changed");
      if (news.length < 5) news.push(words(e));
    });
    say.textContent = news.length ? "Changed: " + news.join("; ") : "The page changed.";
  };

  const ask = async () => {
    if (asking || document.hidden) return;
    asking = true;
    try {
      const res = await fetch(location.href, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store", credentials: "same-origin", redirect: "error" });
      if (res.status === 200) {
        put(await res.text());
        tag = res.headers.get("ETag") || "";
      }
      if (res.status === 200 || res.status === 304) {
        wait = every;
        state(true, "This page is up to date");
      } else if (res.status === 401 || res.status === 404) {
        location.reload(); // the page that says what to do
        return;
      } else {
        throw new Error(String(res.status));
      }
    } catch {
      wait = Math.min(wait * 2, most);
      state(false, "This page may be out of date: the server does not answer");
    } finally {
      asking = false;
    }
    again();
  };
  const again = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, wait * (0.9 + Math.random() / 5));
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
  document.addEventListener("keydown", (e) => {
    const search = document.querySelector("[data-search]");
    if (e.key === "/" && search && !e.ctrlKey && !e.metaKey && !e.altKey && !e.target.closest("input, select, textarea")) {
      e.preventDefault();
      search.focus();
      search.select();
    }
  });
  addEventListener("pageshow", (e) => { if (e.persisted) ask(); });
  state(true, "This page is up to date");
  again();
})();
