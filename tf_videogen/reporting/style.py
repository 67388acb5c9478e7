"""The style sheet of a page: system fonts, light and dark, from telephones to paper."""

CSS = '''
:root {
  color-scheme: light dark;
  --paper: #fdfcfa; --card: #fff; --ink: #23262b; --quiet: #656c76; --rule: #e4e1db;
  --accent: #2f6fb3; --outline: #e8792b; --code: #f4f2ee;
  --series-0: #2f6fb3; --series-1: #d9762b; --series-2: #2c9a6b; --series-3: #9a5bb5;
  --series-4: #b5475b; --series-5: #8a7a2a; --warning: #9a4a12;
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
    --series-4: #e88a9b; --series-5: #cdbd68; --warning: #f0a060;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
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
section > h2 + div { margin-top: 1rem; }

.filter {
  position: sticky; top: 0; z-index: 2; display: flex; flex-wrap: wrap; align-items: center;
  gap: 0.6rem 1rem; margin: 0 -0.5rem -1.6rem; padding: 0.7rem 0.5rem; background: var(--paper);
}
.filter input, .filter select {
  padding: 0.45rem 0.8rem; border: 1px solid var(--rule); border-radius: 6px;
  background: var(--card); color: var(--ink); font: 0.94rem/1.4 var(--sans);
}
.filter input { flex: 1 1 14rem; max-width: 26rem; min-width: 0; }
.filter :focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
section { scroll-margin-top: 2.4rem; }

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
.conditions {
  grid-template-columns: repeat(var(--columns), max-content); gap: 8px; margin-top: 1rem;
  overflow-x: auto;
}
.conditions img { max-width: none; }
.caption { contain: inline-size; font-size: 0.94rem; line-height: 1.35; }
.caption .quiet { display: block; }
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

.summary td, .compared td.ours, .compared td.paper { white-space: normal; }
.summary td, .summary th { padding: 0.6rem 0 0.6rem 1.4rem; text-align: left; line-height: 1.4; }
.summary tr > :first-child { padding-left: 0; }
.summary thead th { padding-top: 0; }
.summary tbody tr { break-inside: avoid; }
.summary tbody tr + tr td { border-top: 1px solid var(--rule); }
.summary td { font-size: 0.9rem; }
.summary .step, .summary .videos { text-align: right; }
.summary td.network { font: 0.8rem/1.5 var(--mono); color: var(--quiet); }
.summary b, .compared td b { display: block; font-weight: 600; white-space: nowrap; }
.summary td.metric b { display: inline; white-space: normal; }
.summary td.ours b, .compared td.ours b { font-size: 1.13rem; }
.summary td.paper { font-size: inherit; color: inherit; }
.summary td.paper b { font-size: 1.13rem; font-weight: 400; color: var(--quiet); }
.summary span.quiet, .compared span.quiet { display: block; font-size: 0.8rem; line-height: 1.45; }
.summary td.paper { min-width: 12rem; }
.compared tr > * { text-align: left; }
.compared tr > :first-child { width: 42%; }
.compared tr > :nth-child(2) { width: 25%; }
.compared td { padding-bottom: 0.7rem; }
.compared td:first-child b { display: inline; }
.compared td.paper b { font-weight: 400; }
.none { color: var(--quiet); }
.kicker { font-weight: 400; color: var(--quiet); }
.badge, .varied {
  display: inline-block; margin-top: 0.25rem; padding: 0.1rem 0.45rem; border-radius: 5px;
  border: 1px solid currentcolor; color: var(--warning); font-size: 0.76rem; line-height: 1.35;
  overflow-wrap: anywhere;
}
.badge { white-space: nowrap; }
.incomparable td { color: var(--quiet); }
.incomparable td.ours b { font-weight: 400; }

.plots {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr));
  gap: 2rem 2.4rem; margin-top: 1rem;
}
.plots svg { display: block; width: 100%; height: auto; overflow: visible; }
.plots figure { display: flex; flex-direction: column; justify-content: space-between; }
.plots figcaption {
  display: flex; flex-wrap: wrap; justify-content: space-between; align-items: baseline;
  gap: 0 1rem; min-height: 1.4rem;
}
.legend { display: flex; flex-wrap: wrap; gap: 0 0.8rem; font-size: 0.8rem; color: var(--quiet); }
.legend i {
  display: inline-block; width: 0.55rem; height: 0.55rem; border-radius: 50%; margin-right: 0.3rem;
}

pre {
  margin: 0.6rem 0 0; padding: 0.9rem 1.1rem; border-radius: 6px; overflow-x: auto;
  background: var(--code); font: 0.84rem/1.6 var(--mono); tab-size: 2;
}
pre.commands { white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--accent); }
footer { margin-top: 4.5rem; }

@media (max-width: 56rem) {  /* The rows of the summary become cards. */
  .summary, .summary tbody { display: block; }
  .summary thead { display: none; }
  .summary tbody { border: 0; }
  .summary tbody tr {
    display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0.35rem 1.2rem;
    padding: 0.9rem 0; border-top: 1px solid var(--rule);
  }
  .summary tbody td { padding: 0; border: 0 !important; text-align: left; }
  .summary tbody td.paper { min-width: 0; }
  .summary td.metric { grid-column: 1 / -1; }
  .summary td.metric b { font-size: 1.06rem; }
  .summary td.metric .quiet { display: inline; margin-left: 0.6rem; }
  .summary td:empty { display: none; }
  .summary :is(.ours, .paper)::before, .summary :is(.step, .videos, .network)::before {
    content: attr(data-column); color: var(--quiet); font: 0.8rem/1.45 var(--sans);
  }
  .summary :is(.ours, .paper)::before { display: block; }
  .summary :is(.step, .videos, .network)::before { margin-right: 0.5rem; }
  .summary tbody :is(.step, .videos) { font-size: 0.8rem; text-align: left; }
  .summary td.network { grid-column: 1 / -1; }
}
@media (max-width: 40rem) {
  .compared, .compared tbody { display: block; }
  .compared thead { display: none; }
  .compared tr {
    display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0.6rem 1.2rem;
  }
  .summary b, .compared td b { white-space: normal; }
  .compared td { padding: 0 0 0.8rem; min-width: 0; }
  .compared td:first-child { grid-column: 1 / -1; padding: 0.8rem 0 0; }
  .compared tr > :nth-child(n) { width: auto; }
  .compared td::before {
    content: attr(data-column); display: block; color: var(--quiet); font-size: 0.8rem;
    font-weight: 400;
  }
  .badge { white-space: normal; }
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
    --series-4: #b5475b; --series-5: #8a7a2a; --warning: #9a4a12;
  }
  body { padding: 0; max-width: none; font-size: 10pt; }
  nav, .filter, details:not([open]) { display: none !important; }
  .conditions { grid-template-columns: repeat(var(--columns), minmax(0, 76px)); }
  section { margin-top: 1.6rem; padding-top: 1.4rem; }
  .strips img, .conditions img { max-width: 100%; }
  .clips img { width: 76px !important; }
  .kinds { gap: 1rem 1.4rem; }
  figure, .strips, pre, .tiles { break-inside: avoid; }
  h2, h3, h3 + p { break-after: avoid; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
'''
