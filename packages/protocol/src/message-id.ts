/** Characters of the `messageId` of a send, at most. */
export const MAX_MESSAGE_ID_LENGTH = 128

/** Whether something can be the `messageId` of a send: a text of 1 to {@link MAX_MESSAGE_ID_LENGTH} characters. */
export function isMessageId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_MESSAGE_ID_LENGTH
}
