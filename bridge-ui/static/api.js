// Questions to this server. Amounts travel as text; nothing here calculates with them.

/** Asks `/api/v1/<path>`; throws an Error with the server's reason. */
export async function ask(path, params = {}) {
  const url = new URL(`/api/v1/${path}`, location.origin);
  for (const [name, value] of Object.entries(params)) if (value != null) url.searchParams.set(name, value);
  let response;
  try {
    response = await fetch(url, { headers: { accept: "application/json" } });
  } catch {
    throw new Error("This page's server does not answer. Is it still running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(sentence(answer.error ?? `The server answered ${response.status}`));
  return answer;
}

/** Waits until a transaction is mined; throws the reason if it failed. */
export async function mined(side, hash) {
  for (let wait = 400; ; wait = Math.min(wait * 1.3, 4000)) {
    const receipt = await ask(`receipt/${side}/${hash}`).catch(() => ({ mined: false }));
    if (receipt.mined && receipt.ok) return receipt;
    if (receipt.mined) throw new Error(sentence(`The transaction failed: ${receipt.reason ?? "the reason is not known"}`));
    await new Promise((done) => setTimeout(done, wait));
  }
}

/** With a capital and a full stop. */
export function sentence(text) {
  const trimmed = String(text).trim();
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + (/[.!?]$/.test(trimmed) ? "" : ".");
}
