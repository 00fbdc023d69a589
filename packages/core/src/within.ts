/** What `work` gives, or a rejection with `late()` when it takes longer than `timeoutMs`. */
export function within<T>(timeoutMs: number, work: Promise<T>, late: () => Error): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timeout = setTimeout(() => reject(late()), timeoutMs)
    work.then(resolve, reject).finally(() => clearTimeout(timeout))
  })
}
