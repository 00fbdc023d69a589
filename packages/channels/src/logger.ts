/** What the gateway and its modules log to: pino's interface, or any other that has it. Errors are in the details, as `err`. */
export interface Logger {
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

/** Warnings and errors on the console, nothing else. */
export const consoleLogger: Logger = {
  info: () => undefined,
  warn: (details, message) => console.warn(message, details),
  error: (details, message) => console.error(message, details),
}
