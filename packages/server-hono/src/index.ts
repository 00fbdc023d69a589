export { WebServerError, type WebServerErrorCode } from './errors.js'
export type { GatewayEnv } from './http/context.js'
export type {
  ControlsOptions,
  CorsOptions,
  Limits,
  RateLimit,
  SlowConsumerPolicy,
  WebServerOptions,
} from './options.js'
export { type RestModule, type WebServer, webServer } from './web-server.js'
