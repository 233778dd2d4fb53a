// The form: what is typed is judged by the server, then the wallet is led through approve and deposit.

import { ask, mined } from "./api.js";
import { addChain, choices, connect, discover, explain, onChange, send, switchTo, wallet, watchToken } from "./wallet.js";

const EVERY = 4000;
const PAUSE = 150;
const byId = (id) => document.getElementById(id);

export async function start(form) {
  const config = await ask("config");
  const other = { foreign: "home", home: "foreign" };
  let from = form.dataset.from;
  let quote = null;
  let busy = false;
  let asked = 0;
  let failure = null;
  let timer;

  const pair = () => config.tokens.find(({ foreign }) => foreign.toLowerCase() === byId("token").value.toLowerCase());
  const typed = () => ({
    from,
    token: byId("token").value,
    amount: byId("amount").value,
    recipient: byId("recipient").value,
    account: wallet.account,
  });

  /** Asks the server about the form as it is now; an answer that was overtaken is dropped. */
  async function judge() {
    clearTimeout(timer);
    const number = ++asked;
    try {
      const answer = await ask("quote", typed());
      if (number !== asked) return;
      quote = answer;
      if (!busy) show((quote.untouched && !byId("amount").value ? null : quote.problem) ?? failure);
    } catch (error) {
      if (number !== asked) return;
      quote = null;
      if (!busy) show(error.message);
    }
    paint();
    timer = setTimeout(() => (document.hidden || busy ? soon(EVERY) : judge()), EVERY);
  }

  function soon(pause = PAUSE) {
    clearTimeout(timer);
    asked += 1;
    timer = setTimeout(judge, pause);
  }

  function show(problem) {
    const place = byId("problem");
    const text = problem ? problem.charAt(0).toUpperCase() + problem.slice(1) + (/[.!?]$/.test(problem) ? "" : ".") : "";
    if (place.textContent !== text) place.textContent = text;
    place.hidden = !text;
    for (const id of ["amount", "recipient"]) {
      if (text && quote?.at === id) byId(id).setAttribute("aria-invalid", "true");
      else byId(id).removeAttribute("aria-invalid");
    }
  }

  function paint() {
    for (const place of document.querySelectorAll("[data-field]")) {
      const text = quote?.fields?.[place.dataset.field];
      if (text != null && place.textContent !== text) place.textContent = text;
    }
    for (const place of document.querySelectorAll("[data-name]")) {
      place.textContent = config[place.dataset.name === "source" ? from : other[from]].name;
    }
    const faults = quote?.faults ?? [];
    byId("faults").replaceChildren(...faults.map((fault) => note(`${fault}.`)));
    byId("warning").hidden = !quote?.warning;
    byId("warning").textContent = quote?.warning ? `${quote.warning.charAt(0).toUpperCase()}${quote.warning.slice(1)}.` : "";
    paintWallet();
    paintSubmit();
  }

  function paintWallet() {
    const connected = Boolean(wallet.account);
    const right = wallet.chainId === config[from].chainIdHex;
    byId("account").textContent = connected ? `${wallet.account.slice(0, 8)}…${wallet.account.slice(-6)}` : "No wallet";
    byId("account").title = wallet.account ?? "";
    byId("wallet-dot").dataset.state = connected ? (right ? "on" : "wrong") : "off";
    byId("connect").textContent = connected ? "Change" : "Connect wallet";
    byId("helpers").hidden = !connected;
    byId("network-notice").hidden = !connected || right;
    if (connected && !right) {
      const known = Object.values({ home: config.home, foreign: config.foreign }).find(({ chainIdHex }) => chainIdHex === wallet.chainId);
      const now = known ? known.name : `another network (chain ${BigInt(wallet.chainId ?? 0)})`;
      byId("network-text").textContent = `The wallet is on ${now}. This transfer starts on ${config[from].name}.`;
      byId("switch-network").textContent = `Switch to ${config[from].name}`;
    }
    byId("add-network").textContent = `Add ${config.home.name} to wallet`;
    byId("add-token").textContent = `Add ${pair()?.symbol ?? "token"} to wallet`;
  }

  function paintSubmit() {
    const submit = byId("submit");
    const right = wallet.chainId === config[from].chainIdHex;
    const { symbol } = pair() ?? { symbol: "tokens" };
    if (busy) submit.textContent = "In progress…";
    else if (!wallet.account) submit.textContent = "Connect a wallet first";
    else if (!right) submit.textContent = `Switch to ${config[from].name} first`;
    else if (quote?.untouched && quote?.problem) submit.textContent = "Enter an amount";
    else submit.textContent = quote?.needsApproval ? `Approve and send ${symbol}` : `Send ${symbol}`;
    submit.disabled = busy || !wallet.account || !right || !quote || Boolean(quote.problem);
    for (const id of ["direction", "amount", "recipient", "token", "max"]) byId(id).disabled = busy;
  }

  function note(text) {
    const place = document.createElement("p");
    place.className = "notice bad";
    place.textContent = text.charAt(0).toUpperCase() + text.slice(1);
    return place;
  }

  function step(name, state, detail = "") {
    const item = document.querySelector(`#steps li[data-step="${name}"]`);
    item.dataset.state = state;
    item.querySelector(".detail").textContent = detail;
    byId("announce").textContent = `${item.querySelector(".title").textContent}: ${detail || state}`;
  }

  /** Some tokens must be set to zero first: then the server says `reset`, and is asked once more. */
  async function approve() {
    for (let round = 0; round < 2; round += 1) {
      step("approve", "active", "answer in your wallet");
      const prepared = await ask("prepare/approve", typed());
      const hash = await send(prepared);
      step("approve", "active", prepared.reset ? "clearing the old allowance" : "waiting for a block");
      await mined(from, hash);
      if (!prepared.reset) break;
    }
    step("approve", "done", "approved");
  }

  async function submit() {
    if (busy) return;
    await judge();
    if (!quote || quote.problem || !wallet.account) return;
    busy = true;
    failure = null;
    show(null);
    paintSubmit();
    byId("steps").hidden = false;
    const approving = document.querySelector('#steps li[data-step="approve"]');
    approving.hidden = from === "home";
    step("deposit", "waiting");
    let current = "approve";
    try {
      if (quote.needsApproval) await approve();
      else step("approve", "done", "already approved");
      current = "deposit";
      step("deposit", "active", "answer in your wallet");
      const hash = await send(await ask("prepare/deposit", typed()));
      step("deposit", "done", "sent");
      location.assign(`/transfer/${from}/${hash}`);
    } catch (error) {
      busy = false;
      failure = explain(error);
      step(current, "blocked", failure);
      show(failure);
      paint();
      soon(EVERY);
    }
  }

  /** Runs something of the wallet and tells why it failed. */
  async function attempt(action) {
    failure = null;
    try {
      show(null);
      await action();
    } catch (error) {
      failure = explain(error);
      show(failure);
    }
    paint();
  }

  function choose() {
    const found = choices();
    const list = byId("wallets");
    list.replaceChildren();
    list.hidden = true;
    if (!found.length) return show(failure = "No wallet was found in this browser. Install one that follows EIP-6963, such as MetaMask or Rabby, and reload.");
    if (found.length === 1) return attempt(() => connect(found[0]));
    for (const choice of found) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = choice.info.name;
      if (choice.info.icon?.startsWith("data:image/")) {
        const icon = new Image(20, 20);
        icon.alt = "";
        icon.src = choice.info.icon;
        button.prepend(icon);
      }
      button.addEventListener("click", () => {
        list.hidden = true;
        attempt(() => connect(choice));
      });
      list.append(button);
    }
    list.hidden = false;
    list.querySelector("button").focus();
  }

  byId("connect").addEventListener("click", choose);
  byId("switch-network").addEventListener("click", () => attempt(() => switchTo(config[from])));
  byId("add-network").addEventListener("click", () => attempt(() => addChain(config.home)));
  byId("add-token").addEventListener("click", () =>
    attempt(() => watchToken(wallet.chainId === config.home.chainIdHex ? pair().home : pair().foreign, pair())),
  );
  byId("direction").addEventListener("click", () => {
    from = other[from];
    form.dataset.from = from;
    quote = null;
    history.replaceState(null, "", `/?from=${from}&token=${byId("token").value}`);
    byId("announce").textContent = `From ${config[from].name} to ${config[other[from]].name}`;
    paint();
    judge();
  });
  byId("max").addEventListener("click", () => {
    if (quote?.max) byId("amount").value = quote.max;
    else show(wallet.account ? "Nothing can be sent now: see balance and limits." : "Connect a wallet first: the largest amount depends on its balance.");
    if (quote?.max) judge();
  });
  for (const id of ["amount", "recipient"]) byId(id).addEventListener("input", () => {
    failure = null;
    quote = quote && { ...quote, problem: quote.problem ?? "checking" };
    paintSubmit();
    soon();
  });
  byId("token").addEventListener("change", judge);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!byId("submit").disabled) submit();
  });
  document.addEventListener("visibilitychange", () => document.hidden || busy || soon());
  onChange(() => {
    paint();
    soon(0);
  });

  paint();
  await discover();
  await judge();
}
