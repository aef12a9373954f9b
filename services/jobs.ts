/** A job that cannot succeed however often it is tried. It goes to the dead letters at once. */
export class HopelessJob extends Error {
  override readonly name = 'HopelessJob'
}
