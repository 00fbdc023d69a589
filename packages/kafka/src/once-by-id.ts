import { ChannelsError } from '@gw/channels'
import { KafkaError } from './errors.js'
import { KnownAnswers } from './known-answers.js'

/** Calls that wait to be committed here, at most. */
const MAX_TAKING = 10_000
const MAX_IDS = 10_000

/** Fails when who asked has been told that it failed, and so may not be done any more. @throws KafkaError `TIMED_OUT`. */
export type StillWanted = () => void

interface Taken<T> {
  readonly done: Promise<T>
  /** Until when somebody waits for it. */
  readonly wanted: { untilMs: number }
}

/** Does once what is asked for several times with one id: who asks again waits with the first, or is told what came of it. */
export class OnceById<T> {
  readonly #taking = new Map<string, Taken<T>>()
  readonly #known: KnownAnswers<T>

  /** @param options `maxBytes`: of answers that are remembered. */
  constructor({ maxBytes }: { readonly maxBytes: number }) {
    this.#known = new KnownAnswers({ maxIds: MAX_IDS, maxBytes })
  }

  /** As `work`, which counts as not done when it fails. Who asks waits for `waitMs`. @throws ChannelsError `OVERLOADED`. */
  do(id: string, waitMs: number, work: (stillWanted: StillWanted) => Promise<T>): Promise<T> {
    const wanted = { untilMs: performance.now() + waitMs }
    const again = this.#taking.get(id)
    if (again !== undefined) {
      again.wanted.untilMs = wanted.untilMs
      return again.done
    }
    const known = this.#known.find(id)
    if (known !== undefined) return Promise.resolve(known)
    if (this.#taking.size >= MAX_TAKING) return Promise.reject(tooMany())
    const stillWanted = (): void => {
      if (performance.now() <= wanted.untilMs) return
      throw new KafkaError('TIMED_OUT', 'nobody waits for it any more, so it was not done')
    }
    const done = work(stillWanted)
    this.#taking.set(id, { done, wanted })
    done
      .then(
        (answer) => this.#known.add(id, answer),
        () => undefined,
      )
      .finally(() => this.#taking.delete(id))
    return done
  }
}

function tooMany(): ChannelsError {
  return new ChannelsError(
    'OVERLOADED',
    `${MAX_TAKING} calls wait to be committed already: send slower, or send several at once`,
  )
}
