import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeDevice } from './device.ts'

// Red when: describeDevice returns the header, or tests for Chrome before Edge.
test('a device is described only in our words, and an invalid header gives no name', () => {
  const on = (rest: string) => `Mozilla/5.0 ${rest}`
  const chrome = 'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/151.0.0.0 Safari/537.36'
  for (const [header, expected] of [
    [on(`(Windows NT 10.0; Win64; x64) ${chrome}`), 'Chrome, Windows'],
    [on(`(Windows NT 10.0; Win64; x64) ${chrome} Edg/151.0`), 'Edge, Windows'],
    [on('(X11; Linux x86_64; rv:152.0) Gecko/20100101 Firefox/152.0'), 'Firefox, Linux'],
    [
      on(
        '(iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605 (KHTML, like Gecko) Version/19.0 Mobile/15E Safari/604',
      ),
      'Safari, iPhone',
    ],
    [on(`(Linux; Android 16) ${chrome}`), 'Chrome, Android'],
    ['curl/8.5.0', 'curl'],
    ['visit https://evil.example', undefined],
    ['https://evil.example', undefined],
    ['<b>x</b>', undefined],
    ['', undefined],
    [null, undefined],
  ] as const)
    assert.equal(describeDevice(header), expected, String(header))
})
