import { z } from 'zod'

/** The two fields that every struct has, first in its records. */
export interface StructFields {
  readonly id: z.ZodDefault<z.ZodString>
  readonly timestamp: z.ZodDefault<z.ZodString>
}

/** A named record schema: a strict zod object with `id` and `timestamp`. Usable wherever a zod schema is. */
export type Struct<Shape extends z.ZodRawShape = z.ZodRawShape> = z.ZodObject<
  StructFields & Shape,
  z.core.$strict
> & {
  readonly structName: string
}
// The rest (minting of id and timestamp, make, extend, validators, lookup) is being written here.
