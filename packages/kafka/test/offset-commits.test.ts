import { expect, test } from 'vitest'
import { OffsetCommits } from '../src/offset-commits.js'

test('one commit is under way at a time, the next has the newest offset, and the end waits for the last', async () => {
  const begun: string[] = []
  const release: (() => void)[] = []
  const commits = new OffsetCommits((next) => {
    begun.push(next)
    return new Promise((resolve) => release.push(resolve))
  })
  let isSettled = false
  for (const next of ['1', '2', '3']) commits.add(next)
  const settled = commits.settled().then(() => {
    isSettled = true
  })
  expect(begun).toEqual(['1'])
  release[0]?.()
  await expect.poll(() => begun).toEqual(['1', '3'])
  expect(isSettled).toBe(false)
  release[1]?.()
  await settled
  commits.add('4')
  expect(begun).toEqual(['1', '3', '4'])
})

test('a commit that fails stops what comes after it', async () => {
  const commits = new OffsetCommits(() => Promise.reject(new Error('rebalancing')))
  commits.add('1')
  await expect(commits.settled()).rejects.toThrow('rebalancing')
  expect(() => commits.add('2')).toThrow('rebalancing')
})
