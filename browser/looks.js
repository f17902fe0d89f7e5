// Each function returns what is wrong with the page, as texts.

const shown = e => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0
const name = e => `${e.tagName} ${JSON.stringify((e.innerText || e.name || "").slice(0, 40))}`

function sideways() {
  const width = document.documentElement.clientWidth, reach = document.documentElement.scrollWidth
  return reach > width ? [`${reach} px wide`] : []
}

// WCAG 2.2, 2.5.8: 24 by 24 px, or in a sentence so far apart that circles of that size around
// small ones meet no other target.
function targets() {
  const all = [...document.querySelectorAll("a[href], button, input")].filter(shown)
    .map(e => ({ e, r: e.getBoundingClientRect() }))
  const isSmall = ({ r }) => r.width < 24 || r.height < 24
  const centre = ({ r }) => [r.x + r.width / 2, r.y + r.height / 2]
  const isNear = (a, b) => {
    const [x, y] = centre(a), [u, v] = centre(b)
    const dx = Math.max(b.r.left - x, 0, x - b.r.right), dy = Math.max(b.r.top - y, 0, y - b.r.bottom)
    return Math.hypot(dx, dy) < 12 || isSmall(b) && Math.hypot(u - x, v - y) < 24
  }
  return all.filter(a => isSmall(a) && (!a.e.closest("p") || all.some(b => b !== a && isNear(a, b))))
    .map(a => `${name(a.e)} is ${a.r.width} × ${a.r.height} px`)
}

// WCAG 2.2, 1.4.3. All colours are opaque or wholly transparent here; another is a fault.
function contrasts() {
  const wrong = []
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement, style = getComputedStyle(e)
    if (!texts.currentNode.data.trim() || !shown(e)) continue
    const size = parseFloat(style.fontSize), isLarge = size >= 24 || size >= 18.66 && style.fontWeight >= 700
    const found = ratio(style.color, background(e))
    if (!(found >= (isLarge ? 3 : 4.5))) wrong.push(`${name(e)} has contrast ${found}`)
  }
  return wrong
}

// WCAG 2.2, 2.4.7 and 1.4.11: a person sees where the keyboard is.
function focus() {
  const e = document.activeElement, style = getComputedStyle(e)
  const isVisible = e !== document.body && e.matches(":focus-visible") && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
  const found = isVisible ? ratio(style.outlineColor, background(e.parentElement)) : 1
  return found >= 3 ? [] : [`${name(e)} has the focus, and nobody sees it`]
}

function background(e) {
  const own = getComputedStyle(e).backgroundColor
  if (own !== "rgba(0, 0, 0, 0)") return own
  return e.parentElement ? background(e.parentElement) : "rgb(255, 255, 255)"
}

function ratio(a, b) {
  const [low, high] = [a, b].map(luminance).sort((x, y) => x - y)
  return (high + 0.05) / (low + 0.05)
}

// NaN for a colour that is not opaque.
function luminance(colour) {
  const m = colour.match(/^rgb\((\d+), (\d+), (\d+)\)$/)
  if (!m) return NaN
  const [r, g, b] = m.slice(1).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
