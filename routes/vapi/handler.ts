import type { FastifyReply, FastifyRequest } from 'fastify'
import type { CallMessage } from '../../services/vapi/messages.ts'

/** Answers one type of VAPI's messages; what it returns, or promises, is the body of the answer. */
export type MessageHandler = (message: CallMessage, request: FastifyRequest, reply: FastifyReply) => unknown
