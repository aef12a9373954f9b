import t from 'tap'
import { build, TOKEN } from '../helper.ts'

t.test('the OpenAPI document is generated from the routes', async (t) => {
  const { app } = await build(t)
  t.equal((await app.inject('/openapi.json')).statusCode, 401)
  const response = await app.inject({ url: '/openapi.json', headers: { authorization: `Bearer ${TOKEN}` } })
  t.equal(response.statusCode, 200)
  const document = response.json()
  t.equal(document.openapi, '3.1.0')
  for (const name of app.services.catalogue.keys()) {
    const operation = document.paths[`/tools/${name}`]?.post
    t.ok(operation, name)
    const body = operation.requestBody.content['application/json'].schema
    t.ok(body.properties.client_id, `${name} takes client_id`)
    t.equal(body.additionalProperties, false)
    t.ok(operation.responses['200'], `${name} documents its answer`)
    t.ok(operation.responses['4XX'], `${name} documents its problems`)
  }
  t.ok(document.paths['/vapi/webhooks'].post)
  t.notMatch(response.body, TOKEN)
})
