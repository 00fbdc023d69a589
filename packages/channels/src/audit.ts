import { z } from 'zod'
import { type Channel, channel } from './contract.js'
import { type Struct, struct } from './struct.js'

type AuditShape = {
  readonly action: z.ZodEnum<{
    send: 'send'
    stage: 'stage'
    unstage: 'unstage'
    release: 'release'
    control: 'control'
    login: 'login'
    logout: 'logout'
    refused: 'refused'
  }>
  readonly identity: z.ZodOptional<z.ZodString>
  readonly credential: z.ZodOptional<z.ZodString>
  readonly channel: z.ZodOptional<z.ZodString>
  readonly key: z.ZodOptional<z.ZodString>
  readonly records: z.ZodDefault<z.ZodArray<z.ZodString>>
  readonly code: z.ZodOptional<z.ZodString>
  readonly address: z.ZodOptional<z.ZodString>
  readonly path: z.ZodOptional<z.ZodString>
}

/** What somebody outside has done, or was refused. */
export const AuditRecord: Struct<AuditShape> = struct('AuditRecord', {
  /** What was done; `refused` when it was not allowed. */
  action: z.enum(['send', 'stage', 'unstage', 'release', 'control', 'login', 'logout', 'refused']),
  /** Who it was; absent where nobody was recognised. */
  identity: z.string().optional(),
  /** With which of several credentials: its id, never the credential itself. */
  credential: z.string().optional(),
  channel: z.string().optional(),
  key: z.string().optional(),
  /** Ids of the records. */
  records: z.array(z.string()).default([]),
  /** Why it was refused. */
  code: z.string().optional(),
  /** Of a refusal: where it came from, and what it asked for. */
  address: z.string().optional(),
  path: z.string().optional(),
})
export type AuditRecord = z.output<typeof AuditRecord>

/**
 * A channel that tells who has done what from outside, for a contract: `defineChannels({ orders, audit: auditChannel() })`. A web
 * server provides it. Give the right to read it to few: scopes and filters hold for it as for any channel.
 */
export function auditChannel(): Channel<typeof AuditRecord, { readonly required: false }> {
  return channel(AuditRecord, {
    required: false,
    doc: 'What was done from outside, and by whom; and what was refused.',
  }) as never
}
