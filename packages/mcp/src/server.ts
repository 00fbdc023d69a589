import { GatewayClientError } from '@gw/client'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import {
  CallToolRequestSchema,
  type CallToolResult,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
} from '@modelcontextprotocol/sdk/types.js'
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv'
import manifest from '../package.json' with { type: 'json' }
import { catalogOf } from './catalog.js'
import { readTools } from './read-tools.js'
import { sendTools } from './send-tools.js'
import type { GatewayTool } from './tool.js'
import type { AnyClient } from './untyped-channel.js'

/** Options of {@link createMcpServer}. */
export interface McpServerOptions {
  /** A client of the gateway, with the key that the assistant acts under. */
  readonly client: AnyClient
  /** Whether records may be sent and staged. What the key does not allow the gateway refuses all the same. @defaultValue false */
  readonly allowSend?: boolean
  /** The only channels that there are for the assistant. @defaultValue all */
  readonly channels?: readonly string[]
  /** Characters of an answer, at most; a larger one is an error that says how to ask for less. @defaultValue 200_000 */
  readonly maxAnswerLength?: number
}

/**
 * A server of the Model Context Protocol whose tools are the calls of a gateway, described from its contract. Connect it to a
 * transport of the SDK.
 * @example
 * ```ts
 * const client = createClient({ url: 'http://127.0.0.1:8000', apiKey })
 * await createMcpServer({ client }).connect(new StdioServerTransport())
 * ```
 */
export function createMcpServer(options: McpServerOptions): Server {
  const { maxAnswerLength = 200_000 } = options
  const validator = new AjvJsonSchemaValidator()
  const server = new Server(
    { name: '@gw/mcp', title: 'Gateway', version: manifest.version },
    { capabilities: { tools: {} }, instructions: INSTRUCTIONS },
  )
  let known: readonly GatewayTool[] | undefined

  server.setRequestHandler(ListToolsRequestSchema, async (_, { signal }) => {
    known = await toolsOf(options, signal)
    return {
      tools: known.map(({ name, description, inputSchema, isReadOnly }) => ({
        name,
        description,
        inputSchema,
        annotations: {
          readOnlyHint: isReadOnly,
          destructiveHint: !isReadOnly,
          openWorldHint: true,
        },
      })),
    }
  })

  server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal }) => {
    const { name, arguments: args = {} } = params
    try {
      known ??= await toolsOf(options, signal)
      const tool = known.find((each) => each.name === name)
      if (tool === undefined) {
        throw new McpError(ErrorCode.InvalidParams, `there is no tool ${name}`)
      }
      const checked = validator.getValidator(tool.inputSchema)(args)
      if (!checked.valid) return failure(`INVALID_ARGUMENTS: ${checked.errorMessage}`)
      const text = JSON.stringify(await tool.run(args, signal)) ?? 'null'
      if (text.length <= maxAnswerLength) return { content: [{ type: 'text', text }] }
      return failure(
        `TOO_LARGE: the answer has ${text.length} characters, ${maxAnswerLength} at most: name a key, select paths, or limit the records`,
      )
    } catch (error) {
      if (!(error instanceof GatewayClientError)) throw error
      const details = error.errors === undefined ? '' : ` ${JSON.stringify(error.errors)}`
      return failure(`${error.code}: ${error.message}${bottomOf(error)}${details}`)
    }
  })
  return server
}

const INSTRUCTIONS =
  'A live gateway of typed channels. Begin with list_channels; describe_channel shows what the records of one are. ' +
  'last answers at once, query searches a state, next and watch wait for what ticks.'

async function toolsOf(
  { client, allowSend = false, channels }: McpServerOptions,
  signal: AbortSignal,
): Promise<readonly GatewayTool[]> {
  const catalog = await catalogOf(client, channels, signal)
  return [...readTools(client, catalog), ...(allowSend ? sendTools(client, catalog) : [])]
}

/** What is at the bottom of an error, where that tells more than the error does. */
function bottomOf(error: GatewayClientError): string {
  let bottom: unknown = error.cause
  while (bottom instanceof Error && bottom.cause instanceof Error) bottom = bottom.cause
  const { message = '', code = '' } = (bottom ?? {}) as { message?: string; code?: string }
  const why = message || code
  return why === '' ? '' : ` (${why})`
}

function failure(text: string): CallToolResult {
  return { isError: true, content: [{ type: 'text', text }] }
}
