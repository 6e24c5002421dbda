import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readLines } from './import-lines.ts'
import type { Line } from './import-lines.ts'

async function linesOf(...chunks: (Uint8Array | string)[]): Promise<Line[]> {
  const read: Line[] = []
  const source = (async function* () {
    for (const chunk of chunks) yield Buffer.from(chunk)
  })()
  for await (const line of readLines(source)) read.push(line)
  return read
}

// Red when: what is left of a chunk is not kept for the next, or blank lines are not counted.
test('lines are the same wherever the stream is cut', async () => {
  const whole = Buffer.from('\ufeff{"a":"ä€😀"}\r\n\n  \n\n{"b":1}\nlast')
  const expected = [
    { line: 1, text: '{"a":"ä€😀"}\r' },
    { line: 5, text: '{"b":1}' },
    { line: 6, text: 'last' },
  ]
  assert.deepEqual(await linesOf(whole), expected)
  for (let at = 0; at <= whole.length; at++)
    assert.deepEqual(await linesOf(whole.subarray(0, at), whole.subarray(at)), expected, `cut at ${at}`)
  assert.deepEqual(await linesOf(...Array.from(whole, byte => Uint8Array.of(byte))), expected)
})

// Red when: the decoder is not fatal, or end() forgets that the line was too long.
test('a line that is too long or no UTF-8 is a fault of its own', async () => {
  const long = 'x'.repeat(40_000)
  const latin = Buffer.from('naïve', 'latin1')
  assert.deepEqual(
    await linesOf('one\n', latin, '\n', long, long, long, '\ntwo\n', Buffer.from('\ufeffa', 'utf16le')),
    [
      { line: 1, text: 'one' },
      { line: 2, fault: 'is not UTF-8' },
      { line: 3, fault: 'is longer than 65536 bytes' },
      { line: 4, text: 'two' },
      { line: 5, fault: 'is not UTF-8' },
    ],
  )
})

// Red when: add() keeps the parts of a line that is too long.
test('a line without end is not kept', async () => {
  const before = process.memoryUsage().arrayBuffers
  let kept = 0
  const source = (async function* () {
    for (let chunk = 0; chunk < 200; chunk++) {
      yield Buffer.alloc(1024 * 1024, 'x')
      globalThis.gc?.()
      kept = Math.max(kept, process.memoryUsage().arrayBuffers - before)
    }
  })()
  for await (const line of readLines(source)) assert.match(JSON.stringify(line), /longer/)
  assert.ok(kept < 150 * 1024 * 1024, `${kept} bytes`)
})
