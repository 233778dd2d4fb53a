// The transfer page's button: pays an attested transfer out with the person's own wallet.

import { ask, mined } from "./api.js";
import { choices, connect, discover, explain, send, switchTo, wallet } from "./wallet.js";

export async function start(root) {
  const { side, tx } = root.dataset;
  const config = await ask("config");
  await discover();
  root.addEventListener("click", async (event) => {
    const button = event.target.closest('[data-action="execute"]');
    if (!button || root.dataset.busy) return;
    const problem = button.parentElement.querySelector("[data-problem]");
    const label = button.textContent;
    // While busy the page is not replaced underneath.
    root.dataset.busy = "true";
    button.disabled = true;
    problem.hidden = true;
    try {
      await ready(config[button.dataset.chain]);
      button.textContent = "Answer in your wallet…";
      const id = button.dataset.transfer;
      const hash = await send(await ask("prepare/execute", { side, tx, id, account: wallet.account }));
      button.textContent = "Waiting for a block…";
      await mined(button.dataset.chain, hash);
    } catch (error) {
      problem.textContent = explain(error);
      problem.hidden = false;
    }
    button.textContent = label;
    button.disabled = false;
    // A refusal stays to be read; otherwise the next refresh shows what happened.
    if (problem.hidden) delete root.dataset.busy;
    else setTimeout(() => delete root.dataset.busy, 8000);
  });
}

/** A connected wallet on the right network. */
async function ready(chain) {
  if (!wallet.account) {
    const [first] = choices();
    if (!first) throw new Error("No wallet was found in this browser.");
    await connect(first);
  }
  if (wallet.chainId !== chain.chainIdHex) await switchTo(chain);
}
