// Parts of a page that are asked for again until nothing changes any more.

export function start(root) {
  const every = Number(root.dataset.every) || 2000;
  const announce = document.getElementById("announce");
  let shown = null;
  let failures = 0;

  async function refresh() {
    if (document.hidden || root.dataset.busy) return again(every);
    try {
      const response = await fetch(root.dataset.refresh);
      if (!response.ok) throw new Error(response.statusText);
      const text = await response.text();
      failures = 0;
      delete root.dataset.stale;
      if (text !== shown && !root.dataset.busy) {
        shown = text;
        replace(text);
      }
    } catch {
      failures += 1;
      if (failures > 1) root.dataset.stale = "true";
    }
    const done = root.querySelector(".live")?.dataset.done === "true";
    if (!done) again(Math.min(every * (failures + 1), 15000));
  }

  function again(pause) {
    setTimeout(refresh, pause);
  }

  /** Keeps what the person opened and where the keyboard is. */
  function replace(text) {
    const content = new DOMParser().parseFromString(text, "text/html").body;
    const said = root.querySelector(".live")?.dataset.say;
    const open = [...root.querySelectorAll("details")].map((part) => part.open);
    const focused = root.contains(document.activeElement) ? position(document.activeElement) : -1;
    root.replaceChildren(...content.childNodes);
    const parts = [...root.querySelectorAll("details")];
    if (parts.length === open.length) parts.forEach((part, index) => (part.open = open[index]));
    if (focused >= 0) reachable()[focused]?.focus({ preventScroll: true });
    const say = root.querySelector(".live")?.dataset.say;
    if (announce && say && say !== said) announce.textContent = say;
  }

  const reachable = () => [...root.querySelectorAll("a, button, summary")];
  const position = (element) => reachable().indexOf(element);

  if (root.querySelector(".live")?.dataset.done !== "true") again(every);
}
