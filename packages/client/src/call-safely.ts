/** Calls a listener; what it throws is reported as uncaught, and keeps nobody else from the event. */
export function callSafely<T>(listener: (value: T) => void, value: T): void {
  try {
    listener(value)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
