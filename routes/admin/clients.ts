import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import {
  ClientChangeBody,
  ClientList,
  ClientListQuery,
  ClientView,
  NewClientBody,
} from '../../schemas/admin.ts'
import { Problem } from '../../schemas/problem.ts'

const One = Type.Object({ id: Type.String({ description: "The client's id" }) })
const failures = { '4xx': Problem, '5xx': Problem }

/**
 * `/admin/clients`. The schemas of the bodies are documentation here: the service checks them in words that name the
 * field and what it may be, which are the same on the command line.
 */
const clients: FastifyPluginAsyncTypebox = async (scope) => {
  const { clients } = scope.admin

  scope.post(
    '/admin/clients',
    {
      config: { operation: 'admin.clients.add' },
      attachValidation: true,
      schema: {
        summary: 'Adds a client',
        body: NewClientBody,
        response: { 201: ClientView, ...failures },
      },
    },
    async (request, reply) => reply.code(201).send(await clients.add(request.body, request.operator)),
  )

  scope.get(
    '/admin/clients',
    {
      config: { operation: 'admin.clients.list' },
      schema: {
        summary: 'Lists clients in the order of their names',
        querystring: ClientListQuery,
        response: { 200: ClientList, ...failures },
      },
    },
    async ({ query: { limit, ...query } }) =>
      clients.list({ ...query, ...(limit !== undefined && { limit: Number(limit) }) }),
  )

  scope.get(
    '/admin/clients/:id',
    {
      config: { operation: 'admin.clients.show' },
      schema: { summary: 'Shows a client', params: One, response: { 200: ClientView, ...failures } },
    },
    async ({ params }) => clients.one(params.id),
  )

  scope.patch(
    '/admin/clients/:id',
    {
      config: { operation: 'admin.clients.change' },
      attachValidation: true,
      schema: {
        summary: 'Changes what the body names of a client',
        params: One,
        body: ClientChangeBody,
        response: { 200: ClientView, ...failures },
      },
    },
    async ({ params, body, operator }) => clients.change(params.id, body, operator),
  )

  scope.delete(
    '/admin/clients/:id',
    {
      config: { operation: 'admin.clients.remove' },
      schema: {
        summary: 'Removes a client and everything that is kept of it',
        params: One,
        querystring: Type.Object({
          confirm: Type.Optional(
            Type.String({ description: "The client's name or number, so that a wrong id removes nobody" }),
          ),
        }),
        response: { 204: Type.Null(), ...failures },
      },
    },
    async ({ params, query, operator }, reply) => {
      await clients.remove(params.id, query.confirm, operator)
      return reply.code(204).send(null)
    },
  )
}

export default clients
