// Fills the panel on the front page from /stats, once a second.
"use strict";
(() => {
  const panel = document.getElementById("stats");
  if (!panel) return;
  const points = 120;
  const rates = [];
  const sources = { l1: "l1_hits", l2: "l2_hits", compute: "computed", stale: "stale" };
  let before = null;

  const number = (n) => Math.round(n).toLocaleString("en");
  const show = (id, text) => { document.getElementById(id).textContent = text; };

  function draw(now) {
    show("l1", number(now.l1_hits));
    show("l2", number(now.l2_hits));
    show("computed", number(now.computed));
    show("stale", number(now.stale));
    show("early", number(now.early_refreshes));
    show("held", `${number(now.l1_entries)} pages, ${(now.l1_bytes / 1048576).toFixed(1)} MiB`);
    show("saved", `${now.saved_percent.toFixed(0)} %`);
    panel.hidden = false;
    if (!before) return;
    const calls = now.calls - before.calls;
    const rate = calls / ((now.at - before.at) / 1000);
    show("rate", number(rate));
    rates.push(rate);
    if (rates.length > points) rates.shift();
    const top = Math.max(...rates, 1);
    const line = rates.map((r, i) => `${(i * 240) / (points - 1)},${39 - (38 * r) / top}`);
    panel.querySelector("polyline").setAttribute("points", line.join(" "));
    if (calls === 0) return;
    for (const [name, field] of Object.entries(sources)) {
      const share = (now[field] - before[field]) / calls;
      panel.querySelector(`.bar .${name}`).style.width = `${100 * share}%`;
    }
  }

  async function poll() {
    try {
      const now = await (await fetch("/stats")).json();
      now.at = performance.now();
      draw(now);
      before = now;
    } catch {
      // The server is gone or restarting: show what was last known, ask again.
    }
    setTimeout(poll, 1000);
  }
  poll();
})();
