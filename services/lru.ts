import { LRUCache } from 'lru-cache'

/**
 * The `max` values that were used last, each for `ttl` milliseconds if that is given. By number of values lru-cache
 * takes memory for all of them when it is made, up to 40 bytes for each (here 6 MB in all); by size it takes it as it fills.
 */
export function createLru<V extends NonNullable<unknown>>(
  max: number,
  options: { ttl?: number; updateAgeOnGet?: boolean } = {},
) {
  return new LRUCache<string, V>({ ...options, maxSize: max, sizeCalculation: () => 1 })
}
