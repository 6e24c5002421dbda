import { randomInt } from 'node:crypto'
import { Agent, request } from 'node:http'
import pg from 'pg'
import { median } from '../stage/figures.ts'
import type { Figure } from '../stage/figures.ts'
import { PASSWORD, startService } from '../stage/stage.ts'
import type { Owner, Stage } from '../stage/stage.ts'

/** Timings of each kind in a round. Fewer for imported accounts, whose figure needs less precision. */
const TIMINGS = 400
const IMPORTED_TIMINGS = 60
const WARM_UP = 40
/** The tokens are deleted between so many requests, so that no address reaches its quota of emails an hour. */
const REQUESTS_PER_QUOTA = 20
/** Random guessing is right half of the time; with 2,000 timings each, chance alone varies it by 0.018 (95 %). */
const BLIND = { from: 0.47, to: 0.53 }

/** Matches no password that is tried here; only the time that bcrypt takes matters. */
const BCRYPT = '$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy'
const WRONG = 'Wrong-horse-7'

interface Flow {
  what: string
  path: string
  body(email: string): object
  status: number
  /** Whether the request is made by a signed-in user. */
  asOwner?: boolean
}

const login: Flow = {
  what: 'login, wrong password',
  path: '/login',
  body: email => ({ email, password: WRONG }),
  status: 401,
}
const flows: readonly Flow[] = [
  {
    what: 'change-email',
    path: '/change-email',
    body: email => ({ new_email: email, proof: { password: PASSWORD } }),
    status: 202,
    asOwner: true,
  },
  login,
  { what: 'reset', path: '/password-reset', body: email => ({ email }), status: 202 },
  { what: 'resend', path: '/verify-email/resend', body: email => ({ email }), status: 202 },
  { what: 'sign-up', path: '/signup', body: email => ({ email, password: 'Correct-horse-8' }), status: 202 },
]

/**
 * Whether the time of a response reveals if an address has an account: how often a known one takes longer than an
 * unknown one (the area under the ROC curve; 0.50: nothing). One request at a time, known and unknown in random order.
 */
export async function measureEnumeration(stage: Stage, rounds: number): Promise<Figure[]> {
  const { environment, adminUrl, owners } = stage
  const admin = new pg.Client(adminUrl)
  await admin.connect()
  const imported = owners.slice(0, 100)
  const own = owners.slice(100)
  await admin.query('update users set password_hash = $1 where id = any ($2)', [
    BCRYPT,
    imported.map(({ user_id }) => user_id),
  ])
  const service = await startService({
    ...stage,
    environment: {
      ...environment,
      EMAIL_VERIFICATION: 'required',
      SMTP_URL: 'smtp://127.0.0.1:9',
      FROM_EMAIL: 'bench@example.com',
      // Emails are sent later, by another process, and do not affect the time of the response.
      RUN_JOBS: 'false',
      // The many failures would otherwise lock each account and this address.
      ACCOUNT_LOCKOUT_THRESHOLD: '100',
      SIGN_IN_FAILURES_PER_ADDRESS_PER_HOUR: '1000000',
    },
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    const figures: Figure[] = []
    const measure = async (flow: Flow, known: readonly Owner[], timings: number, name = flow.what) => {
      const send = timer(agent, service.url, flow, own)
      let sent = 0
      const time = async (email: string) => {
        if (sent++ % REQUESTS_PER_QUOTA === 0) await admin.query('delete from one_time_tokens')
        return send(email)
      }
      for (let count = 0; count < WARM_UP; count++) await time(count % 2 ? pick(known).email : strangerTo(pick(known)))
      const all: Timings[] = []
      for (let round = 0; round < rounds; round++) all.push(await interleave(time, known, timings))
      return figureOf(name, all)
    }
    for (const flow of flows) figures.push({ ...(await measure(flow, own, TIMINGS)), target: BLIND })
    figures.push(await measure(login, imported, IMPORTED_TIMINGS, `${login.what}; known: imported bcrypt, cost 10`))
    return figures
  } finally {
    agent.destroy()
    await service.stop()
    await admin.end()
  }
}

interface Timings {
  known: number[]
  unknown: number[]
}

const pick = <T>(values: readonly T[]): T => values[randomInt(values.length)] as T

/** An unknown address of the same length. */
const strangerTo = ({ email }: Owner): string => email.replace('owner-', 'other-')

async function interleave(
  time: (email: string) => Promise<number>,
  known: readonly Owner[],
  timings: number,
): Promise<Timings> {
  const result: Timings = { known: [], unknown: [] }
  while (result.known.length < timings || result.unknown.length < timings) {
    const kind = randomInt(2) ? 'known' : 'unknown'
    if (result[kind].length === timings) continue
    const owner = pick(known)
    result[kind].push(await time(kind === 'known' ? owner.email : strangerTo(owner)))
  }
  return result
}

/** From the first byte sent to the last byte received. Milliseconds. @throws Error on any status but the flow's */
const timer =
  (agent: Agent, url: string, { path, body, status, asOwner }: Flow, owners: readonly Owner[]) =>
  (email: string): Promise<number> => {
    const payload = JSON.stringify(body(email))
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(payload),
      ...(asOwner && { authorization: pick(owners.filter(owner => owner.email !== email)).authorization }),
    }
    return new Promise((resolve, reject) => {
      const sending = request(`${url}/api/v1/auth${path}`, { method: 'POST', agent, headers }, answer => {
        answer.on('error', reject)
        answer.on('end', () => {
          const took = performance.now() - startedAt
          if (answer.statusCode === status) resolve(took)
          else reject(new Error(`${path} answered ${answer.statusCode}, not ${status}`))
        })
        answer.resume()
      })
      sending.on('error', reject)
      const startedAt = performance.now()
      sending.end(payload)
    })
  }

function figureOf(what: string, rounds: readonly Timings[]): Figure {
  const known = rounds.flatMap(round => round.known)
  const unknown = rounds.flatMap(round => round.unknown)
  return {
    what: `${what}: AUC of ${known.length} each`,
    measured: `${median(known).toFixed(2)} ms known`,
    control: `${median(unknown).toFixed(2)} ms unknown`,
    ratio: areaUnderCurve({ known, unknown }),
    rounds: rounds.map(areaUnderCurve),
  }
}

/** How often a known one takes longer than an unknown one; ties count half (Mann–Whitney U, divided by its maximum). */
function areaUnderCurve({ known, unknown }: Timings): number {
  const sorted = unknown.toSorted((a, b) => a - b)
  const countWhile = (isBelow: (other: number) => boolean): number => {
    let [low, high] = [0, sorted.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (isBelow(sorted[middle] as number)) low = middle + 1
      else high = middle
    }
    return low
  }
  const wins = known.map(value => (countWhile(other => other < value) + countWhile(other => other <= value)) / 2)
  return wins.reduce((sum, each) => sum + each, 0) / (known.length * unknown.length)
}
