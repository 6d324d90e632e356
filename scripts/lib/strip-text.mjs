// Blanks out comments (and, if asked, strings) of a TypeScript source, keeping every line where it was, so that a search
// for a word finds code only. A small scanner, not a parser: a `/` opens a regular expression where no value can stand.

/** `source` with comments replaced by spaces; with `strings`, also what stands between quotes. */
export const stripText = (source, { strings }) => {
  let out = ''
  let index = 0
  const templates = [] // depth of braces at which each open `${` ends
  let depth = 0
  let previous = '' // last code character that is not white
  const blank = (text) => text.replace(/[^\n]/g, ' ')
  const take = (length, hidden) => {
    const text = source.slice(index, index + length)
    out += hidden ? blank(text) : text
    index += length
  }
  const endOf = (mark, from, length) => {
    const found = source.indexOf(mark, from)
    return found === -1 ? source.length : found + length
  }
  const takeQuoted = (quote) => {
    let end = index + 1
    while (end < source.length && source[end] !== quote && source[end] !== '\n') end += source[end] === '\\' ? 2 : 1
    take(Math.min(end + 1, source.length) - index, strings)
    previous = quote
  }
  const takeTemplate = () => {
    let end = index + 1
    while (end < source.length && source[end] !== '`' && !(source[end] === '$' && source[end + 1] === '{')) end += source[end] === '\\' ? 2 : 1
    const opens = source[end] === '$'
    take(Math.min(end + (opens ? 2 : 1), source.length) - index, strings)
    if (opens) templates.push(depth)
    previous = opens ? '{' : '`'
  }
  const takeRegex = () => {
    let end = index + 1
    let inClass = false
    while (end < source.length && source[end] !== '\n' && (inClass || source[end] !== '/')) {
      if (source[end] === '[') inClass = true
      if (source[end] === ']') inClass = false
      end += source[end] === '\\' ? 2 : 1
    }
    take(Math.min(end + 1, source.length) - index, strings)
    previous = '/'
  }
  while (index < source.length) {
    const two = source.slice(index, index + 2)
    const one = source[index]
    if (two === '//') take(endOf('\n', index, 0) - index, true)
    else if (two === '/*') take(endOf('*/', index + 2, 2) - index, true)
    else if (one === "'" || one === '"') takeQuoted(one)
    else if (one === '`') takeTemplate()
    else if (one === '/' && opensRegex(previous, out)) takeRegex()
    else if (one === '}' && templates.at(-1) === depth) {
      templates.pop()
      takeTemplate()
    } else {
      if (one === '{') depth += 1
      if (one === '}') depth -= 1
      if (!/\s/.test(one)) previous = one
      take(1, false)
    }
  }
  return out
}

const opensRegex = (previous, before) => previous === '' || /[(,=:[!&|?{};+\-*%<>~^]/.test(previous) || /\b(return|typeof|case|in|of|do|else)\s*$/.test(before)
