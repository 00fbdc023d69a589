/**
 * Checks a value that arrived on a channel, and gives what it stands for.
 * @throws GatewayClientError `INVALID_ANSWER`
 */
export type Validate = (
  channel: string,
  value: unknown,
  /** The value is one record, where the channel may tick lists of them. */
  isElement: boolean,
) => unknown
