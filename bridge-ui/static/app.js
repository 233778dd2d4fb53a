// Starts what the page at hand needs. Everything readable is already there, rendered by the server.

import { start as startBridge } from "./bridge.js";
import { start as startExecute } from "./execute.js";
import { start as startLive } from "./live.js";

const form = document.getElementById("bridge");
if (form) startBridge(form).catch(report);
const progress = document.getElementById("progress");
if (progress) startExecute(progress).catch(report);
for (const root of document.querySelectorAll("[data-refresh]")) startLive(root);

function report(error) {
  console.error(error);
  const problem = document.getElementById("problem");
  if (!problem) return;
  problem.textContent = error.message;
  problem.hidden = false;
}
