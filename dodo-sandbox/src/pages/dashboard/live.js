// Keeps the lists of the page up to date, and copies blocks. The page works without it.
const live = document.getElementById("live");
let after = Number(live?.dataset.after ?? 0);

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.(".copy");
  if (!button) return;
  await navigator.clipboard.writeText(button.closest(".block").querySelector("pre").textContent);
  button.textContent = "Copied";
});

async function update() {
  const answer = await fetch(`/__sandbox/log?after=${after}&wait=25`);
  const { latest } = await answer.json();
  const changed = latest !== after;
  after = latest;
  // A developer who reads an opened body or uses a button there keeps the page as it is.
  const busy = live.contains(document.activeElement) || live.querySelector("details[open]");
  if (!changed || busy || !live.childElementCount) return;
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  live.innerHTML = page.getElementById("live").innerHTML;
  document.getElementById("clock").textContent = page.getElementById("clock").textContent;
}

async function run() {
  for (;;) {
    try {
      await update();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}
if (live) run();
