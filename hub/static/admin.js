// Copying what is entered on the other side. Without scripts one click selects the value.
"use strict";
(function () {
  for (const button of document.querySelectorAll("[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    const label = button.querySelector("[data-says]");
    const before = label.textContent;
    const say = (text) => {
      label.textContent = text;
      window.setTimeout(() => { label.textContent = before; }, 2500);
    };
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(source.textContent);
        say(button.dataset.done);
      } catch {
        // Browsers copy for pages over https alone; elsewhere the value is marked, ready for Ctrl+C.
        window.getSelection().selectAllChildren(source);
        say(button.dataset.marked);
      }
    });
  }
})();
