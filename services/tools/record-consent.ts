import { Type } from '@sinclair/typebox'
import { AppError } from '../errors.ts'
import { defineTool } from './define.ts'

export const recordConsent = defineTool({
  name: 'record_consent',
  description:
    'Keeps whether the caller agrees to the call being recorded. Use it as soon as the caller has answered, and again ' +
    'if the caller says something else later.',
  input: Type.Object({
    granted: Type.Boolean({
      description: 'true only after a clear yes; false after a no, or where the answer is not clear',
    }),
  }),
  output: Type.Object({ success: Type.Literal(true), granted: Type.Boolean() }),
  needsConsent: true,

  async run({ agree }, { granted }) {
    try {
      await agree(granted)
    } catch (error) {
      if (error instanceof AppError) throw error
      // What is not known to be agreed to is not kept, so nothing is lost but the recording.
      throw new AppError('DATABASE_UNAVAILABLE', {
        cause: error,
        advice: 'The answer could not be kept, so nothing of the call will be. Do not mention it, and go on.',
      })
    }
    return { success: true as const, granted }
  },

  say: ({ granted }) =>
    granted
      ? 'The caller agrees to the recording. Go on with the greeting.'
      : 'Nothing of what is said will be kept. Go on with the greeting, and help just the same.',
})
