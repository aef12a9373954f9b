/** Almost every assistant fits; what does not has memory of its own. */
const SIZE = 16 * 1_024
/** As many as are on their way at once. A megabyte. */
const KEPT_MAX = 64

/** Whoever sends what is in a buffer: Node's responses say `finish` when the operating system has all of it. */
export interface Sender {
  once(event: 'finish', listener: () => void): unknown
}

/**
 * Memory for answers, used again as soon as an answer has gone out. Memory outside the heap that is taken anew for
 * each keeps the garbage collector busier than all the rest of a ringing phone.
 */
export function createBuffers() {
  const free: Buffer[] = []
  return {
    /** At least so many bytes, until `sender` is done. If its reader leaves before, nobody uses them again. */
    lend(bytes: number, sender: Sender): Buffer {
      if (bytes > SIZE) return Buffer.allocUnsafe(bytes)
      const buffer = free.pop() ?? Buffer.allocUnsafeSlow(SIZE)
      sender.once('finish', () => {
        if (free.length < KEPT_MAX) free.push(buffer)
      })
      return buffer
    },
  }
}
