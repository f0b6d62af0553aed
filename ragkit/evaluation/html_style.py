"""The looks of the HTML report, by day and by night, on a screen and on paper."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
:root {
  --page: #f6f5f2; --card: #ffffff; --ink: #1d1d1b; --soft: #65645f; --line: #e3e1db;
  --accent: #2467a8; --band: #b9d3ec; --good: #25764a; --bad: #b3372f;
  --r1: #1d5a96; --r2: #4a86bf; --r3: #86b1da; --r4: #bcd5ec; --r5: #e2c08a; --r6: #cf6a5f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #15171a; --card: #1d2024; --ink: #e7e5e0; --soft: #9d9c98; --line: #343940;
    --accent: #7db5ec; --band: #31567b; --good: #63c08d; --bad: #f0837a;
    --r1: #8fc3f5; --r2: #629bd1; --r3: #4277aa; --r4: #2d547b; --r5: #a67f42; --r6: #d8635a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; padding: 3rem 1.25rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main { max-width: 54rem; margin: 0 auto; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; letter-spacing: -.015em; }
h2 { font-size: 1.15rem; margin: 0 0 .35rem; }
h3 { font-size: 1rem; margin: 0; }
p { margin: 0; }
.soft { color: var(--soft); }
.small { font-size: .875rem; }
.facts { display: flex; flex-wrap: wrap; gap: .15rem 1.1rem; color: var(--soft); font-size: .9rem; }
section {
  background: var(--card); border: 1px solid var(--line); border-radius: .7rem;
  padding: 1.3rem 1.5rem; margin-top: 1.25rem;
}
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 1.25rem; }
.tile b {
  display: block; font-size: 2rem; line-height: 1.15; font-weight: 650;
  font-variant-numeric: tabular-nums;
}
svg { display: block; width: 100%; overflow: visible; }
.strip { height: 1.6rem; margin: .7rem 0 .6rem; border-radius: .3rem; overflow: hidden; }
.legend {
  list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: 0; padding: 0;
}
.legend svg { display: inline-block; width: .75rem; height: .75rem; margin-right: .4rem; }
.c1 { fill: var(--r1); } .c2 { fill: var(--r2); } .c3 { fill: var(--r3); }
.c4 { fill: var(--r4); } .c5 { fill: var(--r5); } .c6 { fill: var(--r6); }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; padding: 0; }
caption { text-align: left; font-weight: 600; padding: 1rem 0 .3rem; }
caption span { font-weight: 400; margin-left: .4rem; }
td { padding: .22rem 0; }
.measures th { width: 7.5rem; padding: .22rem 0; }
.measures .number { width: 3.6rem; text-align: right; padding-right: 1rem; font-weight: 600; }
.measures .interval { width: 9.2rem; text-align: right; color: var(--soft); font-size: .85rem; }
.differences th { width: 10rem; }
.bar { height: 1rem; }
.rail { fill: var(--line); }
.band { fill: var(--band); }
.mean { fill: var(--accent); }
.up .band { fill: var(--good); opacity: .35; } .up .mean { fill: var(--good); }
.down .band { fill: var(--bad); opacity: .35; } .down .mean { fill: var(--bad); }
.zero { fill: var(--ink); }
.verdict { border-left: .35rem solid var(--soft); }
.verdict.good { border-left-color: var(--good); } .verdict.bad { border-left-color: var(--bad); }
.verdict.good h2 { color: var(--good); } .verdict.bad h2 { color: var(--bad); }
.questions { list-style: none; margin: .6rem 0 0; padding: 0; }
.questions > li { border-top: 1px solid var(--line); padding: .95rem 0; overflow-wrap: anywhere; }
.questions > li:last-child { padding-bottom: .2rem; }
.wanted { margin-top: .3rem; font-size: .92rem; }
.wanted b, .place { font-weight: 600; }
blockquote {
  margin: .45rem 0 0; padding: .05rem 0 .05rem .8rem; border-left: 3px solid var(--good);
  font-size: .92rem;
}
.instead { margin: .55rem 0 0; padding: 0 0 0 1.35rem; font-size: .92rem; }
.instead li { margin-top: .35rem; } .instead li::marker { color: var(--soft); }
.instead p { color: var(--soft); }
.questions > .moved { padding: .45rem 0; }
.moved { display: grid; grid-template-columns: 9.5rem 1fr; gap: .1rem 1rem; font-size: .94rem; }
details summary { cursor: pointer; font-weight: 600; }
.all { margin-top: .7rem; font-size: .88rem; }
.all td, .all th {
  padding: .3rem .6rem .3rem 0; border-top: 1px solid var(--line); vertical-align: top;
}
.all td { overflow-wrap: anywhere; } .all .rank { white-space: nowrap; }
footer { margin-top: 1.6rem; color: var(--soft); font-size: .85rem; }
footer p { margin-top: .4rem; }
@media (max-width: 38rem) {
  body { padding: 1.5rem .8rem 3rem; } section { padding: 1.1rem 1rem; }
  .measures .interval { display: none; } .measures th { width: 6.2rem; }
  .moved { grid-template-columns: 1fr; }
}
@media print {
  body { padding: 0; background: #fff; } section { break-inside: avoid-page; border-color: #ccc; }
}
"""
