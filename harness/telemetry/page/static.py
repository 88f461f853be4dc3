"""What does not change of the page: its frame, its script, its style."""

SHELL = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>harness dashboard</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css"><script src="/page.js" defer></script></head>
<body><header><h1>harness dashboard</h1><nav><a href="#rigs">Rigs</a> <a href="#budgets">Budgets</a>
<a href="#runs">Runs</a></nav></header>
<p id="lost" hidden>No answer from harness dashboard: what is below is old.</p>
<main id="live">{}</main></body></html>"""

SCRIPT = """"use strict";
// Only parts that have changed are replaced, and only when their pictures are there: nothing flickers, and
// what one reads stays where it is.
const ready = (picture) => Promise.race([
  picture.decode().catch(() => {}), new Promise((done) => setTimeout(done, 15000))]);
const known = new Map();
async function renew() {
  const answer = await fetch("/live", {signal: AbortSignal.timeout(20000)});
  if (!answer.ok) throw new Error(answer.status);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const main = document.getElementById("live");
  const parts = [];
  for (const each of fresh.querySelectorAll("section")) {
    const old = document.getElementById(each.id);
    if (old && known.get(each.id) === each.innerHTML) { parts.push(old); continue; }
    known.set(each.id, each.innerHTML);
    const part = document.importNode(each, true);
    const pictures = [...part.querySelectorAll("img")];
    pictures.forEach((picture) => { picture.loading = "eager"; });
    for (const within of part.querySelectorAll("svg image")) {
      const first = new Image();
      first.src = within.getAttribute("href");
      pictures.push(first);
    }
    await Promise.all(pictures.map(ready));
    if (old) old.replaceWith(part);
    parts.push(part);
  }
  const now = [...main.children];
  if (parts.length !== now.length || parts.some((part, at) => part !== now[at])) {
    main.replaceChildren(...parts);
  }
}
for (const each of document.querySelectorAll("section")) known.set(each.id, each.innerHTML);
async function forever() {
  let lost = false;
  try { await renew(); } catch { lost = true; }
  document.getElementById("lost").hidden = !lost;
  setTimeout(forever, 2000);
}
setTimeout(forever, 2000);
"""

STYLE = """:root{color-scheme:light}
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;padding:0 1em 3em;max-width:72em;color:#222}
header{display:flex;flex-wrap:wrap;gap:.2em 1.5em;align-items:baseline;border-bottom:1px solid #ddd}
h1{font-size:1.35em;margin:.6em 0 .4em}h2{font-size:1.15em;margin:1.6em 0 .3em}
h3{font-size:1em;margin:1em 0 .2em}h3 small{font-weight:normal;color:#666}
nav a{margin-right:.6em}a{color:#1a5a9a}
.wide{overflow-x:auto}td:last-child{min-width:12em}
table{border-collapse:collapse;margin:.3em 0 .6em;min-width:100%}
td,th{border-bottom:1px solid #e2e2e2;padding:.25em .8em .25em 0;text-align:left;vertical-align:top}
th{color:#666;font-weight:600;font-size:.87em}tr.group th{color:#222;font-size:1em;padding-top:.8em}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.name{white-space:nowrap}p.note,td small,th small{color:#666;font-weight:normal}
#lost{position:sticky;top:0;background:#fbe3df;color:#8a1f0e;padding:.5em 1em;margin:.5em 0;z-index:1}
img,svg.trend{display:block;width:100%;height:auto;max-width:900px;min-width:36em}
svg.trend a:hover circle,svg.trend a:focus circle{stroke:#1a5a9a;stroke-width:2}
.PASS,.FAIL,.INCONCLUSIVE,.ERROR{font-weight:600;white-space:nowrap}
.PASS{color:#117733}.FAIL{color:#cc3311}.INCONCLUSIVE{color:#8a5c00}.ERROR{color:#882255}
"""
