/** Swagger UI and ReDoc in the look of the other pages; their colours follow those of pages/style.ts. */

export const swaggerLook = `
.steps { margin: 0; padding-left: 1.5rem }
.steps li { padding: .25rem 0 }
.steps code { margin-left: .5rem; color: var(--dim) }
#operations { max-width: 52rem; margin: 1.5rem auto 0 }
#operations .swagger-ui { background: none; color: var(--ink); font-family: inherit }
#operations .wrapper { max-width: none; padding: 0 }
#operations .information-container, #operations .servers-title, #operations .schemes-server-container > div:has(.servers) { display: none }
#operations .scheme-container { margin: 0 0 1rem; padding: 0; background: none; box-shadow: none }
#operations .schemes { justify-content: flex-end }
#operations .btn.authorize { min-height: 2.75rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); color: var(--ink); box-shadow: none }
#operations .btn.authorize svg { fill: currentcolor; color: inherit }
#operations .filter-container .filter { margin: 0 0 1rem; padding: 0 }
#operations .operation-filter-input { width: 100%; min-height: 2.75rem; margin: 0; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); color: var(--ink) }
#operations .opblock-tag { padding: .75rem .5rem; border-bottom: 1px solid var(--edge); color: var(--ink); font-family: inherit; font-size: 1.0625rem }
#operations .opblock-tag small { color: var(--dim); font-family: inherit }
#operations .opblock-tag:hover { background: var(--tint) }
#operations .opblock { border-radius: .5rem; box-shadow: none }
#operations .opblock-summary-description { color: var(--dim) }
#operations .renderedMarkdown :is(p, li) { font-family: inherit }
#operations section.models { border-color: var(--edge); border-radius: .5rem }
#operations .responses-inner { overflow-x: auto }
@media (max-width: 40rem) {
  .steps code { display: block; margin-left: 0 }
  #operations .opblock-summary-description { display: none }
  #operations .opblock-tag { flex-wrap: wrap }
  #operations .opblock-tag a { flex: 1 }
  #operations .opblock-tag small { order: 1; flex: 1 0 100%; padding: 0 }
}
`

/** Opens an operation when a link of this page leads to it, also after the page has loaded. */
export const startSwagger = `const dark = matchMedia('(prefers-color-scheme: dark)')
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches)
follow()
dark.addEventListener('change', follow)
const ui = SwaggerUIBundle({ url: '/api/v1/openapi.json', dom_id: '#operations', deepLinking: true, docExpansion: 'none', filter: true, defaultModelsExpandDepth: 0, validatorUrl: null })
addEventListener('hashchange', () => ui.layoutActions.parseDeepLinkHash(location.hash))
`

export const redocLook = `
body { padding-left: 0; padding-right: 0; background: var(--card) }
.wide .top { max-width: none; margin-bottom: 1rem; padding: 0 1.25rem }
`

/** ReDoc takes its colours once, when it starts. */
export const startRedoc = `const dark = matchMedia('(prefers-color-scheme: dark)')
dark.addEventListener('change', () => location.reload())
const colours = dark.matches
  ? { ink: '#eceef2', dim: '#a9b1bf', paper: '#0f1216', card: '#181c22', edge: '#2c333d', accent: '#8ab0ff', good: '#7fd6a0', bad: '#ffa198' }
  : { ink: '#1a2130', dim: '#566072', paper: '#f4f5f8', card: '#ffffff', edge: '#e0e4ea', accent: '#2450c8', good: '#176b3a', bad: '#b3261e' }
const font = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif'
Redoc.init('/api/v1/openapi.json', {
  disableGoogleFont: true,
  hideHostname: true,
  theme: {
    colors: {
      primary: { main: colours.accent },
      success: { main: colours.good },
      error: { main: colours.bad },
      text: { primary: colours.ink, secondary: colours.dim },
      border: { dark: colours.edge, light: colours.edge },
    },
    schema: { linesColor: colours.edge, typeNameColor: colours.dim, typeTitleColor: colours.dim, nestedBackground: colours.paper },
    typography: { fontFamily: font, fontSize: '16px', headings: { fontFamily: font, fontWeight: '600' }, links: { color: colours.accent, visited: colours.accent, hover: colours.accent }, code: { color: colours.ink, backgroundColor: colours.paper } },
    sidebar: { backgroundColor: colours.paper, textColor: colours.ink, activeTextColor: colours.accent },
    rightPanel: { backgroundColor: '#0f1216' },
  },
}, document.getElementById('reference'))
`
