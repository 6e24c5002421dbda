import type { Page } from 'playwright-core'

/** What a page looks like to its reader, as the browser has laid it out. */
export interface Judged {
  title: string
  lang: string
  colorScheme: string | null
  headings: string[]
  /** The buttons and links that stand out; a page has one next step. */
  primary: string[]
  /** Everything that leads on, as addresses, and the texts of buttons. */
  ways: string[]
  fields: {
    name: string
    type: string
    autocomplete: string
    label: string
    isVisible: boolean
    spellcheck: boolean
    describedBy: string
  }[]
  /** Texts and outlines with too little contrast (WCAG 2.2, 1.4.3 and 1.4.11), each with its ratio. */
  faint: string[]
  /** How much wider the page is than the window. Pixels. */
  overflow: number
  /** What can be pressed and is smaller than 24 pixels (WCAG 2.2, 2.5.8). */
  small: string[]
}

/** Runs in the browser, so it is text: the tests are compiled without the types of browsers. */
const judge = `(() => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 })
  const context = canvas.getContext('2d', { willReadFrequently: true })
  const known = new Map()
  const parse = text => {
    if (!known.has(text)) {
      context.clearRect(0, 0, 1, 1)
      context.fillStyle = text
      context.fillRect(0, 0, 1, 1)
      const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data
      known.set(text, [r, g, b, a / 255])
    }
    return known.get(text)
  }
  const over = ([r, g, b, a], below) => [r, g, b].map((part, at) => part * a + below[at] * (1 - a))
  const backgroundOf = element => {
    const layers = []
    for (let one = element; one; one = one.parentElement) layers.push(parse(getComputedStyle(one).backgroundColor))
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255])
  }
  const light = parts => {
    const [r, g, b] = parts.map(part => part / 255).map(part => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const ratio = (one, other) => {
    const [high, low] = [light(one), light(other)].sort((a, b) => b - a)
    return (high + 0.05) / (low + 0.05)
  }
  const isSeen = element => element.checkVisibility({ visibilityProperty: true, opacityProperty: true })
  const faint = []
  const tell = (what, found, least) => { if (found < least) faint.push(what.trim().slice(0, 60) + ' ' + found.toFixed(2)) }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) {
    const { textContent, parentElement } = texts.currentNode
    if (textContent.trim() === '' || !isSeen(parentElement) || parentElement.closest('script, noscript, style')) continue
    const { color, fontSize, fontWeight } = getComputedStyle(parentElement)
    const below = backgroundOf(parentElement)
    const isLarge = parseFloat(fontSize) >= 24 || (parseFloat(fontSize) >= 18.66 && Number(fontWeight) >= 700)
    tell(textContent, ratio(over(parse(color), below), below), isLarge ? 3 : 4.5)
  }
  const pressed = [...document.querySelectorAll('a[href], button, input:not([type=hidden])')].filter(isSeen)
  for (const one of pressed) {
    one.focus({ focusVisible: true })
    const { outlineStyle, outlineColor, outlineWidth } = getComputedStyle(one)
    const below = backgroundOf(one.parentElement)
    if (outlineStyle === 'none' || parseFloat(outlineWidth) < 2) faint.push('no focus ring: ' + one.outerHTML.slice(0, 80))
    else tell('focus ring', ratio(over(parse(outlineColor), below), below), 3)
    if (one.tagName === 'INPUT') tell('border of ' + one.name, ratio(parse(getComputedStyle(one).borderTopColor).slice(0, 3), below), 3)
    one.blur()
  }
  const isPrimary = one => one.matches('.button, button') && parse(getComputedStyle(one).backgroundColor)[3] > 0
  return {
    title: document.title,
    lang: document.documentElement.lang,
    colorScheme: document.querySelector('meta[name=color-scheme]')?.content ?? null,
    headings: [...document.querySelectorAll('h1')].map(one => one.textContent.trim()),
    primary: pressed.filter(isPrimary).map(one => one.textContent.trim()),
    ways: pressed.filter(one => one.closest('main, footer') && one.tagName !== 'INPUT').map(one => one.getAttribute('href') ?? one.textContent.trim()),
    fields: [...document.querySelectorAll('input:not([type=hidden])')].map(one => ({
      name: one.name,
      type: one.type,
      autocomplete: one.autocomplete,
      label: one.labels[0]?.textContent.trim() ?? '',
      isVisible: isSeen(one),
      spellcheck: one.spellcheck,
      describedBy: (one.getAttribute('aria-describedby') ?? '').split(' ').map(id => document.getElementById(id)?.textContent.trim() ?? '').join(' '),
    })),
    faint,
    overflow: document.documentElement.scrollWidth - innerWidth,
    small: pressed.filter(one => one.closest('p, li, nav') === null).filter(one => one.getBoundingClientRect().height < 24).map(one => one.outerHTML.slice(0, 80)),
  }
})()`

export const judgePage = (page: Page): Promise<Judged> => page.evaluate(judge)
