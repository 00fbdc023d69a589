#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { createClient, GatewayClientError } from '@gw/client'
import type { ContractType } from '@gw/protocol'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { commandOf, USAGE, UsageError } from './cli.js'
import { createMcpServer } from './server.js'

try {
  const readFile = (path: string): string => readFileSync(path, 'utf8')
  const command = commandOf(process.argv.slice(2), process.env, readFile)
  if (command === undefined) process.stdout.write(USAGE)
  else {
    const client = createClient<ContractType>(command.client)
    const { allowSend, channels } = command
    const server = createMcpServer({
      client,
      allowSend,
      ...(channels === undefined ? {} : { channels }),
    })
    // Standard output belongs to the protocol.
    server.onerror = (error) => process.stderr.write(`${error.message}\n`)
    const end = async (): Promise<void> => {
      client.$close()
      await server.close()
      process.exit(0)
    }
    process.once('SIGINT', end)
    process.once('SIGTERM', end)
    process.stdin.once('close', end)
    await server.connect(new StdioServerTransport())
  }
} catch (error) {
  if (!(error instanceof UsageError) && !(error instanceof GatewayClientError)) throw error
  process.stderr.write(`${error.message}; --help tells more\n`)
  process.exitCode = 2
}
