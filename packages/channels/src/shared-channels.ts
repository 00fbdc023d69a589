import type { AnyChannels, Query } from '@gw/protocol'
import type {
  BatchSend,
  LiveChannels,
  RecordFilter,
  SendOptions,
  SendReceipt,
  StageAnswer,
  StageOptions,
  WaitOptions,
} from './live.js'

/**
 * The channels of several gateways as one. A module that spreads channels over gateways has this as its `shared`, and web
 * servers answer from it instead of from {@link LiveChannels}. What is synchronous answers from what has come in here, so a
 * channel is {@link hear | heard} first. What needs a gateway that is away waits for its successor, within a bound, and fails
 * as `OWNER_AWAY`.
 */
export interface SharedChannels
  extends Pick<
    LiveChannels<AnyChannels>,
    | 'lastTicks'
    | 'recentTicks'
    | 'positionOf'
    | 'atLeast'
    | 'nextTicks'
    | 'watch'
    | 'sendAllAndWait'
  > {
  /** This gateway among those that share the channels, in this run. */
  readonly id: string
  /**
   * Asks the modules of a name at another gateway, which have `answerModule`: `undefined` when none answers, or there is no such gateway.
   * @throws ChannelsError `OWNER_AWAY` when it cannot be reached.
   */
  askModule(gatewayId: string, module: string, question: unknown): Promise<unknown>
  /**
   * Has the ticks of a channel come in here, from all gateways, for a while: fulfilled when those are here that had happened
   * when it was called. `undefined` for a channel that is of this gateway alone.
   * @throws ChannelsError `OWNER_AWAY`, `UNKNOWN_CHANNEL`, `NO_PROVIDER`, `NOT_RUNNING`.
   */
  hear(channel: string): Promise<void> | undefined
  /** Records of a state, sorted, cut and projected as if one gateway had them all. */
  query(state: string, query?: Query, isVisible?: RecordFilter): Promise<readonly unknown[]>
  count(state: string, query?: Query, isVisible?: RecordFilter): Promise<number>
  /** As of {@link LiveChannels}, of all gateways: another after records have moved from one to another. */
  stateRevision(state: string): Promise<string>
  lookup(id: string, channel?: string, isVisible?: RecordFilter): Promise<unknown>
  /** Sends each record to the gateway that owns its key; only those of one owner are taken together. */
  sendBasketAndWait(
    channel: string,
    inputs: { readonly [key: string]: unknown },
    options?: SendOptions & WaitOptions,
  ): Promise<SendReceipt<unknown>>
  /** As `sendBatchAndWait`, of records that have one owner. @throws ChannelsError `BAD_REQUEST` when they have several. */
  sendBatchAndWait(
    sends: readonly BatchSend[],
    options?: Omit<SendOptions, 'expect'> & WaitOptions,
  ): Promise<readonly SendReceipt<unknown>[]>
  /** As of {@link LiveChannels}, as these below: one gateway holds the stagings of a channel, and all ask it. */
  stageAdd(
    channel: string,
    input: unknown,
    ids?: readonly string[],
    options?: StageOptions,
  ): Promise<StageAnswer<unknown>>
  stageRemove(
    channel: string,
    recordId: string | undefined,
    ids?: readonly string[],
    options?: Pick<StageOptions, 'checkStaged'>,
  ): Promise<StageAnswer<unknown>>
  /**
   * Releases stagings, each record where its key is owned. Records whose owner is away are staged still.
   * @throws ChannelsError `OWNER_AWAY`, `BAD_REQUEST` when a list that is released as one has records of several owners.
   */
  stageRelease(
    channel: string,
    ids?: readonly string[],
    options?: Pick<StageOptions, 'origin' | 'checkStaged'>,
  ): Promise<StageAnswer<unknown>>
  stageList(channel: string, id?: string): Promise<readonly string[]>
  stageLookup(channel: string, id?: string): Promise<StageAnswer<unknown>>
}
