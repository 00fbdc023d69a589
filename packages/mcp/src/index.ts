export { createMcpServer, type McpServerOptions } from './server.js'
export type { AnyClient } from './untyped-channel.js'
