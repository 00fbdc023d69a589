import { STATUS_CODES } from 'node:http'
import { ERROR_STATUS } from '@gw/protocol'
import type { JsonSchema } from './schemas.js'

const ITEMS = {
  type: 'array',
  items: {
    type: 'object',
    required: ['type', 'loc', 'msg'],
    properties: {
      type: { type: 'string' },
      loc: { type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'integer' }] } },
      msg: { type: 'string' },
      input: {},
      ctx: { type: 'object' },
      url: { type: 'string' },
    },
  },
}

/** The schema of a refusal. */
export const ERROR_SCHEMAS: { readonly [name: string]: JsonSchema } = {
  Problem: {
    type: 'object',
    description: 'A refusal: problem details (RFC 9457) with a stable code.',
    required: ['type', 'title', 'status', 'code', 'detail'],
    properties: {
      type: { type: 'string' },
      title: { type: 'string' },
      status: { type: 'integer' },
      code: { enum: Object.keys(ERROR_STATUS) },
      detail: { anyOf: [{ type: 'string' }, ITEMS] },
      errors: {
        type: 'array',
        items: {
          type: 'object',
          required: ['path', 'message'],
          properties: {
            path: { type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'integer' }] } },
            message: { type: 'string' },
          },
        },
      },
      status_code: { type: 'integer' },
    },
  },
}

/** The refusals of an operation, by status; 405 and 500 every operation may answer. */
export function errorResponses(statuses: readonly number[]): JsonSchema {
  const schema = { $ref: '#/components/schemas/Problem' }
  return Object.fromEntries(
    statuses.map((status) => [
      status,
      {
        description: `${STATUS_CODES[status]}: ${codesOf(status).join(', ')}`,
        content: { 'application/json': { schema }, 'application/problem+json': { schema } },
      },
    ]),
  )
}

function codesOf(status: number): string[] {
  return Object.entries(ERROR_STATUS)
    .filter(([, each]) => each === status)
    .map(([code]) => code)
}
