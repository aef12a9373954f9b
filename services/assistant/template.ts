import { randomUUID } from 'node:crypto'

/** Words by name. One that is undefined leaves something out, and so makes an object of another shape. */
export type Words = Readonly<Record<string, string | undefined>>

export interface Template<W extends Words> {
  /**
   * The same bytes as `JSON.stringify(make(words))`, in memory from `take`; undefined if these words make another
   * shape.
   */
  fill(words: W, take?: (bytes: number) => Buffer): Buffer | undefined
}

/**
 * JSON whose text is made once, with holes for the words that differ from one use to the next. To make and
 * stringify an assistant takes longer than all else that is done for a ringing phone; to fill in its template is
 * a copy of some 8 KB.
 *
 * It knows nothing of what it holds: `make` is called once with a mark for each word, and where the marks turn up
 * are the holes. Marks are random, so nothing that somebody has written can be taken for one. `make` must put words
 * in as they are, and each must stand between whole characters: half a surrogate pair beside it would be joined.
 */
export function createTemplate<W extends Words>(sample: W, make: (words: W) => unknown): Template<W> {
  const names = Object.keys(sample)
  const mark = randomUUID()
  const marks = Object.fromEntries(
    names.map((name, n) => [name, sample[name] === undefined ? undefined : `${mark}:${n};`]),
  ) as W
  // Text and the numbers of words take turns.
  const pieces = JSON.stringify(make(marks)).split(new RegExp(`${mark}:(\\d+);`))
  const text = pieces.filter((_, n) => n % 2 === 0)
  const wordIn = pieces.filter((_, n) => n % 2 === 1).map(Number)
  // All text in one piece outside the heap: as many small buffers, it takes three times as much memory.
  const slab = Buffer.allocUnsafeSlow(Buffer.byteLength(text.join('')))
  let written = 0
  const ends = text.map((part) => {
    written += slab.write(part, written)
    return written
  })

  return {
    fill(words, take = Buffer.allocUnsafe) {
      if (names.some((name) => (words[name] === undefined) !== (sample[name] === undefined))) return undefined
      const said = names.map((name) => JSON.stringify(words[name])?.slice(1, -1) ?? '')
      let units = 0
      for (const n of wordIn) units += said[n]?.length ?? 0
      // What UTF-16 has in one unit is at most three bytes.
      const filled = take(slab.length + 3 * units)
      let from = 0
      let at = 0
      for (let n = 0; n < ends.length; n += 1) {
        const end = ends[n] ?? 0
        const word = said[wordIn[n] ?? -1]
        at += slab.copy(filled, at, from, end)
        if (word) at += filled.write(word, at)
        from = end
      }
      return filled.subarray(0, at)
    },
  }
}
