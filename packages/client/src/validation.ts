import type { AnyChannel, ContractType } from '@gw/protocol'
import {
  type Client,
  type ClientOptions,
  createClient as createPlainClient,
} from './create-client.js'
import { GatewayClientError } from './errors.js'
import type { Validate } from './validate.js'

/** The part of a Standard Schema (version 1) that is needed; the schemas of a contract are such. */
interface Schema {
  readonly '~standard': {
    validate(value: unknown): Outcome | Promise<Outcome>
  }
}

type Outcome =
  | { readonly value: unknown; readonly issues?: undefined }
  | { readonly issues: readonly Issue[] }

interface Issue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** Options of {@link createClient}. */
export interface ValidatingClientOptions<Contract extends ContractType> extends ClientOptions {
  /** The contract itself, not only its type. */
  readonly contract: Contract
}

/**
 * A client as `createClient` of `@gw/client` makes it, which also checks each record that arrives against the contract's
 * schema: a call then fails, and a subscription ends, with `INVALID_ANSWER` and what is wrong in `errors`. What `select` has
 * cut down is not checked.
 * @example `const client = createClient({ contract: channels, url: 'http://127.0.0.1:8000' })`
 */
export function createClient<Contract extends ContractType>({
  contract,
  ...options
}: ValidatingClientOptions<Contract>): Client<Contract> {
  return createPlainClient<Contract>(options, validateBy(contract))
}

function validateBy(contract: ContractType): Validate {
  const validate: Validate = {
    value(channel, value, isElement) {
      const definition = contract.channels[channel] as
        | (AnyChannel & { schema?: Schema })
        | undefined
      const schema = definition?.schema
      if (schema === undefined) return value
      // The schema of a list channel is that of the list: an element is checked as a list of one.
      const isWrapped = isElement && definition?.kind === 'list'
      const outcome = schema['~standard'].validate(isWrapped ? [value] : value)
      if (outcome instanceof Promise) {
        throw new TypeError(
          `the schema of ${channel} validates asynchronously, which is not supported`,
        )
      }
      if (outcome.issues === undefined) {
        return isWrapped ? (outcome.value as readonly unknown[])[0] : outcome.value
      }
      throw invalid(channel, outcome.issues)
    },
    sink(channel, mode, sink) {
      const check = (value: unknown): unknown =>
        mode === 'burst'
          ? (value as readonly unknown[]).map((record) => validate.value(channel, record, true))
          : validate.value(channel, value, false)
      return {
        onReady: () => sink.onReady(),
        onError: (error) => sink.onError(error),
        onEvent: (event) => {
          try {
            sink.onEvent(event.type === 'data' ? { ...event, value: check(event.value) } : event)
          } catch (error) {
            sink.onError(error as GatewayClientError)
          }
        },
      }
    },
  }
  return validate
}

function invalid(channel: string, issues: readonly Issue[]): GatewayClientError {
  const errors = issues.map(({ message, path = [] }) => ({
    path: path.map((step) => {
      const key = typeof step === 'object' ? step.key : step
      return typeof key === 'number' ? key : String(key)
    }),
    message,
  }))
  const [first] = errors
  return new GatewayClientError(
    'INVALID_ANSWER',
    `a record of ${channel} is not as the contract says: ${first?.path.join('.')}: ${first?.message}`,
    { errors },
  )
}
