/** A data file that cannot be read or is not what it should be. */
export class DataFileError extends Error {
  override readonly name = 'DataFileError'
  readonly code = 'DATA_FILE'
  readonly path: string

  constructor(path: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(`cannot read the data file ${path}: ${reason}`, { cause })
    this.path = path
  }
}
