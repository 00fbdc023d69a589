type Row = Readonly<Record<string, unknown>>

/**
 * Writes values as tables for people: a row for each record, a column for each field. What follows in the same columns goes
 * on below, without a second head.
 */
export function tableWriter(): (value: unknown) => string {
  let known: readonly string[] = []
  let widths: readonly number[] = []
  return (value) => {
    const records = Array.isArray(value) ? value : value === undefined ? [] : [value]
    const rows = records.map(fieldsOf)
    const columns = Array.from(new Set(rows.flatMap((row) => Object.keys(row))))
    if (columns.length === 0) return ''
    const isContinued = columns.join('\n') === known.join('\n')
    const isPlain = columns.length === 1 && columns[0] === ''
    const body = rows.map((row) => columns.map((column) => cellOf(row[column])))
    const lines = isPlain || isContinued ? body : [columns, ...body]
    widths = columns.map((_, at) => {
      const least = isContinued ? (widths[at] ?? 0) : 0
      return Math.max(least, ...lines.map((line) => line[at]?.length ?? 0))
    })
    known = columns
    return lines.map((line) => lineOf(line, widths)).join('')
  }
}

function lineOf(line: readonly string[], widths: readonly number[]): string {
  const cells = line.map((cell, at) => cell.padEnd(widths[at] ?? 0))
  return `${cells.join('  ').trimEnd()}\n`
}

function fieldsOf(record: unknown): Row {
  const hasFields = typeof record === 'object' && record !== null && !Array.isArray(record)
  return hasFields ? (record as Row) : { '': record }
}

/** Control characters would let a record write over the terminal. */
function cellOf(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return text.replace(/\p{Cc}/gu, '\uFFFD')
}
