import { expect, test } from 'vitest'
import { OffsetCommits } from '../src/offset-commits.js'

test('one commit is under way at a time, the next has the newest offset, and the end waits for the last', async () => {
  const begun: string[] = []
  const release: (() => void)[] = []
  const commits = new OffsetCommits((next) => {
    begun.push(next)
    return new Promise((resolve) => release.push(resolve))
  }, 0)
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
  let begun = 0
  const commits = new OffsetCommits(() => {
    begun++
    return Promise.reject(new Error('rebalancing'))
  }, 0)
  commits.add('1')
  commits.add('2')
  await expect(commits.settled()).rejects.toThrow('rebalancing')
  await expect(commits.settled()).rejects.toThrow('rebalancing')
  expect(begun).toBe(1)
  expect(() => commits.add('3')).toThrow('rebalancing')
})

test('what comes soon after a commit waits for the end', async () => {
  const begun: string[] = []
  const commits = new OffsetCommits((next) => {
    begun.push(next)
    return Promise.resolve()
  }, 60_000)
  for (const next of ['1', '2', '3']) commits.add(next)
  expect(begun).toEqual([])
  await commits.settled()
  await commits.settled()
  expect(begun).toEqual(['3'])
})
