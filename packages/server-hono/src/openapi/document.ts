import type { ChannelInfo } from '@gw/channels'
import { API_PATH, HEADER } from '@gw/protocol'
import type { Service } from '../service.js'
import { ERROR_SCHEMAS, errorResponses } from './errors.js'
import { channelDoc, type JsonSchema, referenceTypeOf, Schemas } from './schemas.js'

/** An OpenAPI document. */
export type OpenApiDocument = { readonly [member: string]: unknown }

type Operation = { readonly [member: string]: unknown }
type Paths = Record<string, Record<string, Operation>>

/** Whom a description is for. */
export interface DescriptionReader {
  /** Whether it is the reference's client, which finds the classes of its structs in a member that OpenAPI does not allow. */
  readonly isReferenceClient: boolean
}

/** The OpenAPI 3.1 description of a gateway's routes, made of its contract. */
export function openApiDocument(
  service: Service,
  { isReferenceClient }: DescriptionReader,
): OpenApiDocument {
  const { settings } = service
  const schemas = new Schemas()
  const paths: Paths = {}
  for (const info of service.served.channels.items) addChannel(paths, schemas, info)
  addStates(paths, schemas, service)
  addStages(paths, schemas, service)
  addControls(paths, schemas, service)
  addLists(paths, service)
  addHealth(paths)
  const isGuarded = settings.authenticators.length > 0
  return {
    openapi: '3.1.0',
    info: {
      title: settings.title,
      version: settings.version,
      ...(settings.description === undefined ? {} : { description: settings.description }),
    },
    servers: [{ url: '/' }],
    ...(isGuarded ? { security: Object.keys(SECURITY).map((name) => ({ [name]: [] })) } : {}),
    paths: mapOperations(paths, ({ type_, ...operation }) => ({
      ...(settings.rateLimit === undefined ? operation : limited(operation)),
      ...(isReferenceClient && type_ !== undefined ? { type_ } : {}),
    })),
    components: {
      schemas: { ...schemas.components, ...ERROR_SCHEMAS },
      ...(isGuarded ? { securitySchemes: SECURITY } : {}),
    },
  }
}

/** Any request may be one too many. */
function limited(operation: Operation): Operation {
  return {
    ...operation,
    responses: { ...errorResponses([429]), ...(operation.responses as JsonSchema) },
  }
}

function mapOperations(paths: Paths, change: (operation: Operation) => Operation): Paths {
  return Object.fromEntries(
    Object.entries(paths).map(([path, operations]) => [
      path,
      Object.fromEntries(
        Object.entries(operations).map(([method, operation]) => [method, change(operation)]),
      ),
    ]),
  )
}

const SECURITY = {
  apiKey: { type: 'apiKey', in: 'header', name: HEADER.API_KEY },
  bearer: { type: 'http', scheme: 'bearer' },
  tokenHeader: { type: 'apiKey', in: 'header', name: 'token' },
  tokenQuery: { type: 'apiKey', in: 'query', name: 'token' },
  session: { type: 'apiKey', in: 'cookie', name: 'token' },
} as const

const KEYS = parameter('keys', 'Of a whole basket: the records by key.', { enum: ['0', '1'] })
const TIMEOUT = parameter(
  'timeout',
  'Seconds to wait at most. Less than one is taken too, and is more often answered by 504 than by a tick.',
  { type: 'number', minimum: 1, maximum: 999_999_999 },
)
const POSITION_PATTERN = { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}:[0-9]{1,15}$' }
const AT_LEAST = parameter(
  'atLeast',
  'Waits until the channel has reached this position, EPOCH:OFFSET.',
  POSITION_PATTERN,
)
const EXPECT = parameter(
  'expect',
  'Sends only if the channel or key is still at this position, EPOCH:OFFSET.',
  POSITION_PATTERN,
)
const MESSAGE_ID = parameter(
  'messageId',
  'The same id again answers as the first did, and sends nothing.',
  { type: 'string', minLength: 1, maxLength: 128 },
)
const QUERY = [
  parameter('query', 'The query in the form of the reference, as JSON.', { type: 'string' }),
  {
    ...parameter(
      'where',
      'PATH:OPERATOR:VALUE, such as quantity:gt:10; all must hold. A \\ takes a character into a name of the path.',
      {
        type: 'array',
        items: { type: 'string', pattern: '^((\\\\.|[^:{\\\\])+:(eq|ne|lt|le|gt|ge|in):|\\{)' },
      },
    ),
    explode: true,
  },
  parameter('sort', 'Paths with commas between; a minus in front sorts down.', { type: 'string' }),
  parameter('limit', 'Records at most.', { type: 'integer', minimum: 0, maximum: 100_000 }),
  parameter('offset', 'Records to leave out.', {
    type: 'integer',
    minimum: 0,
    maximum: 999_999_999_999_999,
  }),
  parameter('select', 'Paths to keep, with commas between.', { type: 'string' }),
  parameter('count', 'Answers the number of records.', { enum: ['0', '1'] }),
  parameter('order', 'All records, alone, in the order in which they came.', { enum: ['arrival'] }),
]

function addChannel(paths: Paths, schemas: Schemas, info: ChannelInfo): void {
  const { name } = info
  const output = arrayOf(schemas.output(info.recordSchema))
  const type = referenceTypeOf(info.recordSchema)
  const common = (group: string, verb: string): Operation => ({
    tags: [group],
    operationId: `${group}_${name}`,
    summary: `${verb} ${name}`,
    ...(channelDoc(info) === undefined ? {} : { description: channelDoc(info) }),
    ...(type === undefined ? {} : { type_: type }),
  })
  // With `keys` a whole basket is answered as an object.
  const ticked =
    info.kind === 'basket'
      ? { ...output, type: ['array', 'object'], additionalProperties: output.items }
      : output
  const last = (extra: Operation): Operation => ({
    ...common('last', 'What ticked last on'),
    parameters: [KEYS, AT_LEAST, TIMEOUT],
    responses: answers(ticked, [400, 403, 404, 409, 503, 504]),
    ...extra,
  })
  const next = (extra: Operation): Operation => ({
    ...common('next', 'The next tick of'),
    parameters: [KEYS, TIMEOUT],
    responses: answers(ticked, [400, 403, 404, 503, 504]),
    ...extra,
  })
  const send = (extra: Operation, body: JsonSchema): Operation => ({
    ...common('send', 'Sends to'),
    parameters: [MESSAGE_ID, EXPECT],
    requestBody: { required: true, content: json(body) },
    responses: answers(output, [400, 403, 404, 408, 409, 413, 415, 422, 429, 503, 504]),
    ...extra,
  })
  const input = info.sendable ? schemas.input(info.recordSchema) : output.items
  const oneOrMany = { anyOf: [arrayOf(input as JsonSchema), input] }
  const isBasket = info.kind === 'basket'
  // For clients that know no contract.
  const gateway = { kind: info.kind, sendable: info.sendable }
  paths[`${API_PATH}/last/${name}`] = { get: last({ 'x-gateway': gateway }) }
  paths[`${API_PATH}/next/${name}`] = { get: next({}) }
  paths[`${API_PATH}/send/${name}`] = {
    post: send({}, isBasket ? basketBody(info, input as JsonSchema) : oneOrMany),
  }
  paths[`${API_PATH}/lookup/${name}/{id}`] = {
    get: {
      ...common('lookup', 'A recent record by id, of the type of'),
      parameters: [ID],
      responses: answers(output, [403, 404]),
    },
  }
  if (!isBasket) return
  const keyed = (group: string): Operation => ({
    operationId: `${group}_${name}_key`,
    summary: `As ${group} of ${name}, of one key`,
  })
  const key = keyParameter(info)
  paths[`${API_PATH}/last/${name}/{key}`] = {
    get: last({ ...keyed('last'), parameters: [key, AT_LEAST, TIMEOUT] }),
  }
  paths[`${API_PATH}/next/${name}/{key}`] = {
    get: next({ ...keyed('next'), parameters: [key, TIMEOUT] }),
  }
  paths[`${API_PATH}/send/${name}/{key}`] = {
    post: send({ ...keyed('send'), parameters: [key, MESSAGE_ID, EXPECT] }, oneOrMany),
  }
}

/** Records by key; of a basket whose keys are known, by those only. */
function basketBody(info: ChannelInfo, input: JsonSchema): JsonSchema {
  if (!hasFewKeys(info)) return { type: 'object', additionalProperties: input }
  const properties = Object.fromEntries(info.keys.map((key) => [key, input]))
  return { type: 'object', properties, additionalProperties: false }
}

function addStates(paths: Paths, schemas: Schemas, { served }: Service): void {
  for (const state of served.states.items) {
    const info = served.channels.exactly(state.channel)
    if (info === undefined) continue
    const type = referenceTypeOf(info.recordSchema)
    paths[`${API_PATH}/state/${state.name}`] = {
      get: {
        tags: ['state'],
        operationId: `state_${state.name}`,
        summary: `The newest records of ${info.name} by ${state.by.join(', ')}`,
        'x-gateway': { channel: info.name, by: state.by },
        ...(type === undefined ? {} : { type_: type }),
        parameters: QUERY,
        // With `count` the answer is a number.
        responses: answers(
          { ...arrayOf(schemas.output(info.recordSchema)), type: ['array', 'integer'] },
          [400, 403, 404, 422],
        ),
      },
    }
  }
}

function addStages(paths: Paths, schemas: Schemas, { served }: Service): void {
  for (const info of served.staged.items) {
    const record = schemas.input(info.recordSchema)
    const byId = {
      type: 'object',
      additionalProperties: arrayOf(schemas.output(info.recordSchema)),
    }
    const optionalBody = {
      required: false,
      content: json({ anyOf: [record, { type: 'null' }] }),
    }
    const type = referenceTypeOf(info.recordSchema)
    const operation = (verb: string, summary: string, answer: JsonSchema): Operation => ({
      tags: ['stage'],
      operationId: `stage_${verb}_${info.name}`,
      summary: `${summary} ${info.name}`,
      ...(type === undefined ? {} : { type_: type }),
      parameters: [STAGING_IDS],
      responses: answers(answer, [400, 403, 404, 408, 413, 415, 422, 503]),
    })
    paths[`${API_PATH}/stage/${info.name}`] = {
      get: operation('list', 'Ids of the stagings of', arrayOf({ type: 'string' })),
      put: operation('lookup', 'Contents of the stagings of', byId),
      patch: operation('release', 'Releases stagings of', byId),
      post: { ...operation('add', 'Adds to stagings of', byId), requestBody: optionalBody },
      delete: {
        ...operation('remove', 'Removes from stagings of', byId),
        requestBody: {
          required: false,
          content: json({
            type: ['object', 'null'],
            properties: { id: { type: ['string', 'number', 'null'] } },
          }),
        },
      },
    }
  }
}

function addControls(paths: Paths, schemas: Schemas, { controls, served }: Service): void {
  const info = served.channels.exactly(controls?.channel ?? '')
  if (controls === undefined || info === undefined) return
  const type = referenceTypeOf(info.recordSchema)
  for (const name of controls.names) {
    const operation: Operation = {
      tags: ['controls'],
      operationId: `controls_${name}`,
      summary: `Control: ${name}`,
      ...(type === undefined ? {} : { type_: type }),
      responses: answers(arrayOf(schemas.output(info.recordSchema)), [403, 404, 503, 504]),
    }
    paths[`${API_PATH}/controls/${name}`] =
      name === 'shutdown' ? { post: operation } : { get: operation }
  }
}

function addHealth(paths: Paths): void {
  const good = { description: 'Good', content: json({ type: 'object' }) }
  for (const [path, summary] of [
    ['/healthz', 'Whether the engine runs'],
    ['/readyz', 'Whether every module has started, so that work may be sent here'],
  ] as const) {
    const responses = { 200: good, ...errorResponses([503]) }
    paths[path] = {
      get: { tags: ['health'], operationId: path.slice(1), summary, security: [], responses },
    }
  }
  paths['/metrics'] = {
    get: {
      tags: ['health'],
      operationId: 'metrics',
      summary: 'Figures of the server, in the form of Prometheus',
      responses: {
        200: { description: 'Figures', content: { 'text/plain': { schema: { type: 'string' } } } },
        ...errorResponses([403]),
      },
    },
  }
}

function addLists(paths: Paths, { served, controls }: Service): void {
  const names = arrayOf({ type: 'string' })
  const list = (path: string, id: string, summary: string, answer: JsonSchema = names): void => {
    paths[path] = {
      get: { tags: ['lists'], operationId: id, summary, responses: answers(answer, [403]) },
    }
  }
  const groups = ['last', 'next', 'send', 'lookup', 'state', 'stage', 'controls']
  for (const group of groups) {
    if (group === 'controls' && controls === undefined) continue
    list(`${API_PATH}/${group}/`, `list_${group}`, `Names below ${group}`)
  }
  list(`${API_PATH}/field`, 'list_field', 'Names of the static values')
  list(`${API_PATH}/stream`, 'list_stream', 'Names that can be streamed')
  list('/api', 'versions', 'Versions of the API', { type: 'object' })
  for (const name of served.fields.sorted) {
    list(`${API_PATH}/field/${name}`, `field_${name}`, `The static value ${name}`, {})
  }
  // What every struct has; without properties, clients take the records for single values.
  const record = arrayOf({
    type: 'object',
    properties: { id: { type: 'string' }, timestamp: { type: 'string', format: 'date-time' } },
    additionalProperties: true,
  })
  paths[`${API_PATH}/lookup/id/{id}`] = {
    get: {
      tags: ['lookup'],
      operationId: 'lookup_id',
      summary: `A recent record by id, of any of ${served.channels.items.length} channels`,
      parameters: [ID],
      responses: answers(record, [403, 404]),
    },
  }
}

const ID = { name: 'id', in: 'path', required: true, schema: { type: 'string', minLength: 1 } }
const STAGING_IDS = {
  ...parameter('id', 'Absent, empty (all), or ids of stagings with commas between.', {
    type: 'string',
  }),
  allowEmptyValue: true,
}

function keyParameter(info: ChannelInfo): JsonSchema {
  return {
    name: 'key',
    in: 'path',
    required: true,
    schema: hasFewKeys(info)
      ? { type: 'string', enum: info.keys }
      : { type: 'string', minLength: 1 },
  }
}

function hasFewKeys(info: ChannelInfo): boolean {
  return !info.dynamic && info.keys.length > 0 && info.keys.length <= 100
}

function parameter(name: string, description: string, schema: JsonSchema): JsonSchema {
  return { name, in: 'query', required: false, description, schema }
}

function arrayOf(items: JsonSchema): JsonSchema & { readonly items: JsonSchema } {
  return { type: 'array', items }
}

function json(schema: JsonSchema): JsonSchema {
  return { 'application/json': { schema } }
}

function answers(schema: JsonSchema, errors: readonly number[]): JsonSchema {
  return {
    200: {
      description: 'The answer',
      headers: {
        [HEADER.POSITION]: {
          description: 'Position of what is answered, EPOCH:OFFSET',
          schema: { type: 'string' },
        },
        [HEADER.KIND]: {
          description: 'Whether the channel is single, a list or a basket',
          schema: { enum: ['single', 'list', 'basket'] },
        },
      },
      content: json(schema),
    },
    ...errorResponses(errors),
  }
}
