/**
 * The look of every page of the service: one column, one card, one accent colour, light and dark. Sizes are in rem, to
 * respect the user's text size; with a font below 16px, phones zoom in on a field.
 */
export const style = `
:root { color-scheme: light dark; --ink: #1a2130; --dim: #566072; --paper: #f4f5f8; --card: #fff; --line: #858d9c; --edge: #e0e4ea; --accent: #2450c8; --deep: #1b3e9e; --on-accent: #fff; --tint: #eef2fd; --bad: #b3261e; --good: #176b3a; --shade: rgb(20 30 60 / .08) }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eceef2; --dim: #a9b1bf; --paper: #0f1216; --card: #181c22; --line: #76808f; --edge: #2c333d; --accent: #8ab0ff; --deep: #abc6ff; --on-accent: #0b1322; --tint: #1e2737; --bad: #ffa198; --good: #7fd6a0; --shade: rgb(0 0 0 / .4) }
}
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100% }
body { margin: 0; padding: clamp(1rem, 5vh, 4rem) 1rem 2rem; min-height: 100vh; min-height: 100dvh; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
.top, .card, .foot { max-width: 27rem; margin: 0 auto; overflow-wrap: anywhere }
.wide :is(.top, .card, .foot) { max-width: 52rem }
.wide { padding-top: 1.25rem }
.top { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1.25rem; margin-bottom: 1.25rem }
.brand { display: flex; align-items: center; gap: .625rem; min-width: 0; color: var(--ink); font-weight: 600; text-decoration: none }
.brand::before { content: attr(data-initial); flex: none; display: grid; place-items: center; width: 2rem; height: 2rem; border-radius: .5rem; background: var(--accent); color: var(--on-accent); font-weight: 700 }
.top nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin-left: auto }
.top nav a { padding: .25rem 0; color: var(--dim); text-decoration: none; border-bottom: 2px solid transparent }
.top nav a:hover, .top nav [aria-current] { color: var(--ink); border-color: var(--accent) }
.card { padding: 2rem; background: var(--card); border: 1px solid var(--edge); border-radius: .875rem; box-shadow: 0 1px 2px var(--shade), 0 12px 32px -16px var(--shade) }
@media (max-width: 30rem) { .card { padding: 1.5rem 1.25rem } }
.foot { margin-top: 1.25rem; color: var(--dim); font-size: .875rem; text-align: center }
.foot a { display: inline-block; padding: .375rem; color: inherit }
:where(.card) h1 { margin: 0 0 .5rem; font-size: 1.5rem; line-height: 1.25; letter-spacing: -.01em; text-wrap: balance }
:where(.card) h2 { margin: 0 0 .5rem; font-size: 1.125rem; line-height: 1.3 }
:where(.card) p, :where(.card) ul, :where(.card) ol { margin: 0 0 1rem }
:where(.card) ul, :where(.card) ol { padding-left: 1.25rem }
.lead { margin-bottom: 1.5rem; color: var(--dim) }
.card > :last-child, .card > div > :last-child, form > :last-child { margin-bottom: 0 }
:where(.card) a { color: var(--accent); text-underline-offset: .15em }
:where(.card) code, :where(.card) pre { font: .875em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace }
:where(.card) pre { margin: 0 0 1rem; padding: 1rem; white-space: pre-wrap; background: var(--paper); border: 1px solid var(--edge); border-radius: .5rem }
:where(.card) label { display: block; margin-bottom: .375rem; font-weight: 600 }
:where(.card) label small { font-size: .875rem; font-weight: 400; color: var(--dim) }
.field { margin-bottom: 1.25rem }
:where(.card) input { display: block; width: 100%; min-height: 2.75rem; padding: .5rem .75rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); color: inherit; font: inherit }
:where(.card) input[aria-invalid] { border-color: var(--bad); box-shadow: inset 0 0 0 1px var(--bad) }
.secret { position: relative }
.secret:has(button:not([hidden])) input { padding-right: 6.5rem }
.hint { margin: .375rem 0 0; color: var(--dim); font-size: .875rem }
.fault { margin: .375rem 0 0; padding: 0; list-style: none; color: var(--bad); font-size: .9375rem }
.address { display: inline-block; max-width: 100%; margin: 0 0 1.5rem; padding: .25rem .75rem; border: 1px solid var(--edge); border-radius: 1rem; background: var(--paper); font-size: .9375rem }
:where(.card) button, .button { display: block; width: 100%; min-height: 2.75rem; padding: .625rem 1rem; border: 1px solid transparent; border-radius: .5rem; background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600; text-align: center; text-decoration: none; cursor: pointer }
:where(.card) button:hover, .button:hover { background: var(--deep) }
:where(.card) button:disabled { opacity: .6; cursor: default }
.quiet { background: transparent; border-color: var(--line); color: var(--ink) }
.quiet:hover { background: var(--tint) }
form > button + button { margin-top: .75rem }
.secret button { position: absolute; inset: .25rem .25rem .25rem auto; width: auto; min-height: 0; padding: 0 .75rem; border: 0; border-radius: .3125rem; color: var(--accent) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
[hidden] { display: none !important }
.dim { color: var(--dim) }
time { white-space: nowrap }
.note { margin-top: 1.5rem; padding-top: 1rem; border-top: 1px solid var(--edge); color: var(--dim); font-size: .8125rem }
.errors { margin-bottom: 1.25rem; padding: .75rem 1rem; border-left: .25rem solid var(--bad); background: color-mix(in srgb, var(--bad) 9%, transparent); border-radius: .25rem }
.errors > :last-child { margin-bottom: 0 }
.good h1::before, .bad h1::before { display: grid; place-items: center; width: 3rem; height: 3rem; margin-bottom: 1rem; border-radius: 50%; font-size: 1.5rem; line-height: 1 }
.good h1::before { content: "✓" / ""; color: var(--good); background: color-mix(in srgb, var(--good) 14%, transparent) }
.bad h1::before { content: "!" / ""; color: var(--bad); background: color-mix(in srgb, var(--bad) 12%, transparent) }
.then { margin: 1rem 0 0; text-align: center }
.rows { margin: 0 0 1rem; padding: 0; list-style: none; border: 1px solid var(--edge); border-radius: .625rem }
.rows > li { padding: .875rem 1rem; border-top: 1px solid var(--edge); scroll-margin-top: 4rem }
.rows > li:first-child { border-top: 0 }
.rows > li:target { background: var(--tint); box-shadow: inset .25rem 0 0 var(--accent) }
.rows h2, .rows h3 { margin: 0; font-size: 1rem }
.rows p { margin: .25rem 0 0 }
.group { margin: 2rem 0 .75rem; scroll-margin-top: 1rem }
.tag { display: inline-block; padding: 0 .5rem; border: 1px solid var(--edge); border-radius: 1rem; background: var(--paper); color: var(--dim); font-size: .8125rem }
.chips { display: flex; flex-wrap: wrap; gap: .5rem; margin: 0 0 1rem; padding: 0; list-style: none }
.chips a { display: block; padding: .25rem .75rem; border: 1px solid var(--edge); border-radius: 1rem; background: var(--paper); text-decoration: none; font-size: .9375rem }
.chips a:hover { background: var(--tint) }
.rows .chips { margin: .5rem 0 0 }
:where(.card) iframe { display: block; width: 100%; height: 40rem; margin-bottom: 1.5rem; border: 1px solid var(--edge); border-radius: .5rem }
`
