import type { JsonSchema } from '@gw/client/describe'

/** Something that an assistant can do. */
export interface GatewayTool {
  /** Letters, digits, `_` and `-`. */
  readonly name: string
  readonly description: string
  /** Schema of the arguments: an object. */
  readonly inputSchema: JsonSchema & { readonly type: 'object' }
  /** Whether it leaves everything as it is. */
  readonly isReadOnly: boolean
  /** Does it. @returns what the assistant is told, as JSON */
  run(args: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<unknown>
}

/** The schema of arguments: an object with these members and no others. */
export function argumentsSchema(
  properties: Readonly<Record<string, JsonSchema>>,
  required: readonly string[] = [],
): GatewayTool['inputSchema'] {
  return { type: 'object', properties, required, additionalProperties: false }
}
