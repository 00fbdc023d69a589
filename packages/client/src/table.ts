/** A value as a table for people: a row for each record, a column for each field. */
export function tableOf(value: unknown): string {
  const records = Array.isArray(value) ? value : value === undefined ? [] : [value]
  const rows = records.map(fieldsOf)
  const columns = Array.from(new Set(rows.flatMap((row) => Object.keys(row))))
  const isPlain = columns.length === 1 && columns[0] === ''
  const body = rows.map((row) => columns.map((column) => cellOf(row[column])))
  const lines = isPlain ? body : columns.length === 0 ? [] : [columns, ...body]
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)))
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

function fieldsOf(record: unknown): Readonly<Record<string, unknown>> {
  const hasFields = typeof record === 'object' && record !== null && !Array.isArray(record)
  return hasFields ? (record as Record<string, unknown>) : { '': record }
}

/** Control characters would let a record write over the terminal. */
function cellOf(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return text.replace(/\p{Cc}/gu, '\uFFFD')
}
