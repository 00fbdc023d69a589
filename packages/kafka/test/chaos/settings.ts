/** What a gateway of the chaos test is told. */
export interface ChaosSettings {
  readonly broker: string
  readonly groupId: string
  readonly input: string
  readonly output: string
  /** Of its checkpoints. */
  readonly folder: string
  readonly exactlyOnce: boolean
  readonly sessionTimeoutMs: number
  /** How long the node works on each record. */
  readonly slowMs: number
}
