import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_LENGTH = 8
const SECRET_LENGTH = 30
const CHECKSUM_LENGTH = 6
const FORM = /^gw_[0-9A-Za-z]{8}_[0-9A-Za-z]{36}$/

/** A new key: `gw_`, an id of 8 characters, `_`, a secret of 30, and a checksum of 6. */
export interface GeneratedKey {
  readonly key: string
  /** The part that may stand in logs and stores. */
  readonly id: string
}

/** Makes a key of 178 random bits. The prefix lets scanners find leaked keys, the checksum lets anybody notice a typo. */
export function generateKey(): GeneratedKey {
  const id = randomText(ID_LENGTH)
  const body = `gw_${id}_${randomText(SECRET_LENGTH)}`
  return { key: body + checksum(body), id }
}

/** The id of a key of our form whose checksum is right; `undefined` for everything else. */
export function keyId(key: string): string | undefined {
  if (!FORM.test(key)) return undefined
  const body = key.slice(0, -CHECKSUM_LENGTH)
  return key.endsWith(checksum(body)) ? key.slice(3, 3 + ID_LENGTH) : undefined
}

/** The id that stands in a key, whether or not its checksum is right: for logs. */
export function shownId(key: string): string | undefined {
  return /^gw_([0-9A-Za-z]{8})_/.exec(key)?.[1]
}

/** Whether a text is the id of a key of our form. */
export function isKeyId(id: string): boolean {
  return /^[0-9A-Za-z]{8}$/.test(id)
}

/** Whether a text has the form of a key but the checksum of another: a typo, in all likelihood. */
export function isMistypedKey(key: string): boolean {
  return key.startsWith('gw_') && keyId(key) === undefined
}

function randomText(length: number): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      // 248 is the largest multiple of 62 in a byte: above it some characters would come more often.
      if (byte < 248 && text.length < length) text += ALPHABET[byte % 62]
    }
  }
  return text
}

function checksum(body: string): string {
  let rest = crc32(body)
  let text = ''
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    text = ALPHABET[rest % 62] + text
    rest = Math.floor(rest / 62)
  }
  return text
}
