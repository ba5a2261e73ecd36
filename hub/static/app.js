// What pages do beyond links and forms. Without it everything works, after a reload.
"use strict";
(function () {
  // Language and theme are in cookies now; the address need not say them.
  const address = new URL(window.location.href);
  if (address.searchParams.has("lang") || address.searchParams.has("theme")) {
    address.searchParams.delete("lang");
    address.searchParams.delete("theme");
    window.history.replaceState(null, "", address);
  }

  // <div data-live="/hours">: the part of a page that changes when the worker is done. Asked for only while the page
  // is looked at: often at first and after coming back to it, then less and less.
  const allowed = (part) => part.querySelector("[data-origins]")?.dataset.origins;
  const SOON = 1200;
  const LATE = 20000;
  for (const part of document.querySelectorAll("[data-live]")) {
    let etag = part.dataset.version || "";
    let wait = SOON;
    let timer = 0;
    const plan = () => {
      window.clearTimeout(timer);
      if (!document.hidden) timer = window.setTimeout(ask, wait);
      wait = Math.min(wait * 1.05, LATE);
    };
    const ask = async () => {
      try {
        const answer = await fetch(part.dataset.live, { headers: etag ? { "If-None-Match": etag } : {}, redirect: "error" });
        if (answer.status === 200) {
          etag = answer.headers.get("ETag") || "";
          const held = part.contains(document.activeElement) ? document.activeElement.id : "";
          const origins = allowed(part);
          part.innerHTML = await answer.text();
          // Where forms may go was decided when the page was loaded; a course of another system needs a page that knows it.
          if (allowed(part) !== origins) window.location.reload();
          if (held && document.getElementById(held)) document.getElementById(held).focus();
          wait = SOON;
        }
      } catch {
        wait = LATE;
      }
      plan();
    };
    const wake = () => {
      if (document.hidden) return;
      wait = SOON;
      window.clearTimeout(timer);
      ask();
    };
    document.addEventListener("visibilitychange", wake);
    window.addEventListener("pageshow", (event) => event.persisted && wake());
    plan();
  }

  // A filter applies when it is chosen; the button is for those without scripts.
  for (const choice of document.querySelectorAll("form[data-applies] select, form[data-applies] input[type=checkbox]")) {
    choice.addEventListener("change", () => choice.form.requestSubmit());
  }

  // A second click on a button that starts something must not start it twice.
  for (const form of document.querySelectorAll("form[data-once]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
    });
    window.addEventListener("pageshow", () => delete form.dataset.sent);
  }
})();
