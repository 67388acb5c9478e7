"""The style sheet of a page: system fonts, light and dark, from telephones to paper."""

CSS = '''
:root {
  color-scheme: light dark;
  --paper: #fdfcfa; --card: #fff; --ink: #23262b; --quiet: #656c76; --rule: #e4e1db;
  --accent: #2f6fb3; --outline: #e8792b; --code: #f4f2ee;
  --series-0: #2f6fb3; --series-1: #d9762b; --series-2: #2c9a6b; --series-3: #9a5bb5;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans",
    "Liberation Sans", Arial, sans-serif;
  --serif: Charter, "Bitstream Charter", "Iowan Old Style", "Source Serif 4", Georgia,
    "Liberation Serif", serif;
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181c; --card: #1d2025; --ink: #e4e5e8; --quiet: #9aa1ab; --rule: #33373e;
    --accent: #7fb2ea; --code: #22262c;
    --series-0: #7fb2ea; --series-1: #f0a060; --series-2: #6cc9a1; --series-3: #c79be0;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0 auto; padding: 4rem 2rem 6rem; max-width: 75rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.6 var(--sans); font-variant-numeric: tabular-nums;
}
h1, h2 { font-family: var(--serif); font-weight: 600; line-height: 1.15; text-wrap: balance; }
h1 { font-size: clamp(2rem, 5vw, 2.9rem); letter-spacing: -0.015em; margin: 0 0 0.6rem; }
h2 { font-size: clamp(1.5rem, 3.5vw, 1.9rem); letter-spacing: -0.01em; margin: 0 0 0.6rem; }
h3 { font-size: 1.06rem; font-weight: 650; margin: 0 0 0.4rem; }
p { margin: 0 0 0.8rem; max-width: 44rem; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
.quiet { color: var(--quiet); font-size: 0.875rem; }
.lead { font-size: 1.125rem; line-height: 1.55; }
.lead, .text { white-space: pre-line; overflow-wrap: anywhere; }
header { margin-bottom: 3rem; }
header nav { display: flex; flex-wrap: wrap; gap: 0.3rem 1.4rem; margin-top: 1.2rem; }
section { border-top: 1px solid var(--rule); padding-top: 2.6rem; margin-top: 3.6rem; }
section > div, section > details, section > dl { margin-top: 2.4rem; }

.tiles { display: flex; flex-wrap: wrap; gap: 1rem 3.2rem; }
.tiles > div { min-width: 6rem; }
.tiles b { display: block; font: 600 1.85rem/1.2 var(--serif); letter-spacing: -0.01em; }

.facts {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr));
  gap: 0 2.4rem; margin: 0;
}
.facts > div {
  display: flex; justify-content: space-between; gap: 1.2rem; padding: 0.42rem 0;
  border-bottom: 1px solid var(--rule); font-size: 0.9rem;
}
.facts dt { color: var(--quiet); white-space: nowrap; }
.facts dd { margin: 0; text-align: right; overflow-wrap: anywhere; }

.kinds { display: flex; flex-wrap: wrap; gap: 2rem 1.6rem; margin-top: 1rem; }
figure { margin: 0; min-width: 0; }
figcaption { margin-bottom: 0.55rem; font-size: 0.94rem; line-height: 1.35; }
figcaption .quiet { display: block; }
.kinds figcaption { contain: inline-size; }  /* A caption is no wider than its pictures. */
.clips { display: grid; grid-template-columns: repeat(var(--columns), auto); gap: 6px; }
.clips, .strips { justify-content: start; }
img { display: block; max-width: 100%; height: auto; background: var(--rule); }
img.pixels { image-rendering: pixelated; }
.clips img { border-radius: 3px; }
.strips {
  display: grid; grid-template-columns: minmax(0, 1fr); gap: 0.2rem; margin-top: 1.6rem;
  overflow-x: auto;
}
.strips p { margin: 0; color: var(--ink); }
.strips span { font-size: 0.78rem; margin-top: 0.35rem; }
.strips img { max-width: none; background: none; }

.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: 0.7rem 0 0.1rem 1.6rem; text-align: right; vertical-align: baseline; }
th { padding-bottom: 0.7rem; }
th:first-child, td:first-child { padding-left: 0; text-align: left; }
thead th { font-size: 0.875rem; font-weight: 600; border-bottom: 2px solid var(--ink); }
thead th .quiet { display: block; font-weight: 400; font-size: 0.8rem; }
tbody { border-bottom: 1px solid var(--rule); break-inside: avoid; }
tr.about td { padding: 0 0 0.7rem; line-height: 1.45; }
td.value { font-size: 1.13rem; font-weight: 600; white-space: nowrap; }
td.paper { font-size: 1.13rem; color: var(--quiet); white-space: nowrap; }

.plots {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr));
  gap: 2rem 2.4rem; margin-top: 1rem;
}
.plots svg { display: block; width: 100%; height: auto; overflow: visible; }
.plots figcaption { min-height: 1.4rem; }
.legend { float: right; font-size: 0.8rem; color: var(--quiet); }
.legend i {
  display: inline-block; width: 0.55rem; height: 0.55rem; border-radius: 50%;
  margin: 0 0.3rem 0 0.8rem;
}

pre {
  margin: 0.6rem 0 0; padding: 0.9rem 1.1rem; border-radius: 6px; overflow-x: auto;
  background: var(--code); font: 0.84rem/1.6 var(--mono); tab-size: 2;
}
pre.commands { white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--accent); }
footer { margin-top: 4.5rem; }

@media (max-width: 40rem) {
  body { padding: 2.2rem 1.1rem 4rem; }
  section { padding-top: 2rem; margin-top: 2.6rem; }
  .kinds { gap: 1.8rem; }
  .tiles { gap: 1rem 2rem; }
  .tiles b { font-size: 1.5rem; }
  th, td { padding-left: 0.9rem; }
}
@media print {
  :root {
    --paper: #fff; --ink: #111; --quiet: #555; --rule: #ddd; --accent: #111; --code: #f6f6f6;
    --series-0: #2f6fb3; --series-1: #d9762b; --series-2: #2c9a6b; --series-3: #9a5bb5;
  }
  body { padding: 0; max-width: none; font-size: 10pt; }
  nav, details:not([open]) { display: none !important; }
  section { margin-top: 1.6rem; padding-top: 1.4rem; }
  .strips img { max-width: 100%; }
  .clips img { width: 76px !important; }
  .kinds { gap: 1rem 1.4rem; }
  figure, .strips, pre, .tiles { break-inside: avoid; }
  h2, h3, h3 + p { break-after: avoid; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
'''
