"use strict";

// The part of the visitors.now script in persist mode: a readable first-party cookie with an opaque
// id. The shop has no account there. The server sets `data-visit` once the visitor has accepted.
(function visitor() {
  if (!("visit" in document.body.dataset) || navigator.globalPrivacyControl) return;
  if (/(?:^|;\s*)visitor=/.test(document.cookie)) return;
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  const id = Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `visitor=v_${id}; path=/; max-age=31536000; samesite=lax${secure}`;
})();

// Buying: ask our own server for a checkout, then go to the hosted page.
async function checkout(button) {
  const note = document.getElementById("buy-note");
  button.disabled = true;
  note.hidden = true;
  try {
    const answer = await fetch("/billing/checkout", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ product: button.dataset.buy }),
    });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.detail || body.title || `status ${answer.status}`);
    location.assign(body.checkout_url);
  } catch (error) {
    note.textContent = `The checkout could not be opened: ${error.message}`;
    note.hidden = false;
    button.disabled = false;
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-buy]");
  if (button) checkout(button);
});

// A page that went into the back-forward cache with a pressed button comes back usable.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("[data-buy]")) button.disabled = false;
});

// Live parts: ask for the fragment again, and swap it in when its tag changed. The browser sends
// the tag of the last answer by itself, so an unchanged fragment costs an empty 304.
for (const part of document.querySelectorAll("[data-live]")) {
  const refresh = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(part.dataset.live, { cache: "no-cache" });
        const tag = answer.headers.get("etag");
        if (answer.ok && tag !== part.dataset.tag) {
          part.innerHTML = await answer.text();
          part.dataset.tag = tag;
        }
      } catch {
        // The shop is away. The next request finds it again.
      }
    }
    setTimeout(refresh, 1200);
  };
  refresh();
}
