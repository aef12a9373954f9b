import { request } from 'undici'
import { audit } from '../audit.ts'
import { during } from '../load.ts'
import { expecting, type Scenario } from '../scenario.ts'
import { openWorld } from '../world.ts'

/** A suite that cannot fail proves nothing. */
export const itself: Scenario = {
  name: 'the-suite-itself',
  title: 'a report is swallowed on its way and a note is written twice: both must be found',
  async run({ cluster, calm }) {
    const world = await openWorld({ cluster, instances: 1, businesses: 1 })
    try {
      let swallowed = 0
      world.balancer.swallow((body) => body.includes('"end-of-call-report"') && ++swallowed === 1)
      const load = await during(world, 3, async () => {}, { bookEvery: 0 })
      calm()
      const [business] = world.businesses
      const before = await audit(world, load, { patience: 10 })
      const { contacts } = await world.crm.location(business?.locationId ?? '')
      const noted = contacts.find(({ notes }) => notes.length > 0)
      await request(`${world.crm.url}/contacts/${noted?.id}/notes`, {
        method: 'POST',
        headers: {
          authorization: 'Bearer pit-faults-0001',
          version: '2021-07-28',
          'content-type': 'application/json',
        },
        body: JSON.stringify({ body: noted?.notes[0]?.body }),
      }).then(({ body }) => body.dump())
      const after = await audit(world, load, { patience: 1 })
      return {
        // What was broken on purpose is no failure of the server's.
        ...expecting(
          { ...after, lost: 0, doubled: 0, objections: [] },
          {
            // In the database, and in the CRM.
            [`the swallowed report is found (${before.lost} lost)`]: before.lost > 0 && before.doubled === 0,
            [`the second note is found (${after.doubled} doubled)`]: after.doubled === 1,
          },
        ),
        remark: 'both were found',
      }
    } finally {
      await world.close()
    }
  },
}
