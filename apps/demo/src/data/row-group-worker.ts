import { parentPort, workerData } from 'node:worker_threads'
import { asyncBufferFromFile, parquetMetadataAsync } from 'hyparquet'
import { decodeRowGroup } from './row-group.js'
import type { RowGroupAnswer } from './row-group-thread.js'

// Decodes row groups on a thread of its own; see row-group-thread.ts.
const file = await asyncBufferFromFile(workerData as string)
const metadata = await parquetMetadataAsync(file)

parentPort?.on('message', async (group: number) => {
  try {
    const decoded = await decodeRowGroup(file, metadata, group)
    const { times, delays, distances, origins, destinations } = decoded
    const buffers = [times, delays, distances, origins, destinations].map(({ buffer }) => buffer)
    parentPort?.postMessage({ group, decoded } satisfies RowGroupAnswer, buffers)
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error)
    parentPort?.postMessage({ group, failure } satisfies RowGroupAnswer)
  }
})
