/**
 * Reads the text of a QR code (ISO/IEC 18004) from its modules (true is dark), without a margin: versions 5 to 10,
 * error correction level M, byte mode, no wrong modules. It shares nothing with the library that draws the codes.
 */
export function readQrCode(modules: readonly (readonly boolean[])[]): string {
  const size = modules.length
  const version = (size - 17) / 4
  const layout = layouts[version]
  if (layout === undefined) throw new Error(`version ${version} is not read here`)
  const at = (row: number, column: number): boolean => modules[row]?.[column] ?? false
  const numberOf = (bits: boolean[]): number => bits.reduce((value, bit) => value * 2 + Number(bit), 0)

  const format = numberOf(
    [0, 1, 2, 3, 4, 5, 7, 8].map(column => at(8, column)).concat([7, 5, 4, 3, 2, 1, 0].map(row => at(row, 8))),
  )
  const [level, mask] = [(format ^ 0b101010000010010) >> 13, ((format ^ 0b101010000010010) >> 10) & 7]
  if (level !== 0) throw new Error(`error correction level ${level} is not read here`)

  const isReserved = (row: number, column: number): boolean => {
    const [last, end] = [size - 1, size - 9]
    if ((row < 9 && column < 9) || (row < 9 && column > end) || (row > end && column < 9)) return true
    if (row === 6 || column === 6) return true
    if (version >= 7 && ((row < 6 && column > last - 11) || (column < 6 && row > last - 11))) return true
    return [6, ...layout.centers].some(y =>
      [6, ...layout.centers].some(x => {
        const isFinder =
          [y, x].join() === '6,6' || [y, x].join() === `6,${size - 7}` || [y, x].join() === `${size - 7},6`
        return !isFinder && Math.abs(row - y) <= 2 && Math.abs(column - x) <= 2
      }),
    )
  }
  const isMasked = masks[mask] as (row: number, column: number) => boolean
  const bits: boolean[] = []
  for (let right = size - 1, isUpward = true; right > 0; right -= 2, isUpward = !isUpward) {
    if (right === 6) right--
    for (let step = 0; step < size; step++) {
      const row = isUpward ? size - 1 - step : step
      for (const column of [right, right - 1])
        if (!isReserved(row, column)) bits.push(at(row, column) !== isMasked(row, column))
    }
  }
  const words = Array.from({ length: bits.length >> 3 }, (_, index) => numberOf(bits.slice(index * 8, index * 8 + 8)))

  // The first words of every block, then the second ones; longer blocks come last.
  const blocks: number[][] = layout.blocks.map(() => [])
  let next = 0
  for (let index = 0; index < Math.max(...layout.blocks); index++)
    layout.blocks.forEach((length, block) => {
      if (index < length) blocks[block]?.push(words[next++] as number)
    })
  const data = blocks.flat().flatMap(word => [7, 6, 5, 4, 3, 2, 1, 0].map(bit => ((word >> bit) & 1) === 1))
  const take = (count: number): number => numberOf(data.splice(0, count))
  if (take(4) !== 4) throw new Error('only byte mode is read here')
  const length = take(version < 10 ? 8 : 16)
  return Buffer.from(Array.from({ length }, () => take(8))).toString('utf8')
}

const layouts: Readonly<Record<number, { centers: number[]; blocks: number[] }>> = {
  5: { centers: [30], blocks: [43, 43] },
  6: { centers: [34], blocks: [27, 27, 27, 27] },
  7: { centers: [22, 38], blocks: [31, 31, 31, 31] },
  8: { centers: [24, 42], blocks: [38, 38, 39, 39] },
  9: { centers: [26, 46], blocks: [36, 36, 36, 37, 37] },
  10: { centers: [28, 50], blocks: [43, 43, 43, 43, 44] },
}

const masks: readonly ((row: number, column: number) => boolean)[] = [
  (row, column) => (row + column) % 2 === 0,
  row => row % 2 === 0,
  (_row, column) => column % 3 === 0,
  (row, column) => (row + column) % 3 === 0,
  (row, column) => (Math.floor(row / 2) + Math.floor(column / 3)) % 2 === 0,
  (row, column) => ((row * column) % 2) + ((row * column) % 3) === 0,
  (row, column) => (((row * column) % 2) + ((row * column) % 3)) % 2 === 0,
  (row, column) => (((row + column) % 2) + ((row * column) % 3)) % 2 === 0,
]
