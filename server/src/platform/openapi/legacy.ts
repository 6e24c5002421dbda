import { DEPRECATION, legacyPathOf, SUNSET } from '../server/legacy.ts'
import { header, reference } from './components.ts'
import type { Json } from './components.ts'

interface Operation extends Json {
  operationId: string
  responses: Record<string, { $ref?: string; headers?: Json }>
}

interface Document {
  info: Json
  paths: Record<string, Record<string, Operation>>
  components: { responses: Record<string, { headers: Json }>; headers: Json }
}

const announced = {
  Deprecation: header('The time since which this path is deprecated (RFC 9745).', DEPRECATION, '^@[0-9]{1,12}$'),
  Sunset: header('The time at which this path stops working (RFC 8594).', SUNSET),
  Link: header('The path to use instead (RFC 8288, RFC 5829).', '</api/v1/auth/login>; rel="successor-version"'),
}
const announcements = Object.fromEntries(Object.keys(announced).map(name => [name, reference('headers', name)]))

/** The document of the older paths, made from the current one: the same operations, deprecated, with successors. */
export function describeLegacy(current: object): object {
  const { info, paths, components, ...rest } = structuredClone(current) as Document
  const legacy = Object.entries(paths).flatMap(([path, operations]) => {
    const alias = legacyPathOf(path)
    return alias === undefined ? [] : [[alias, operations] as const]
  })
  for (const operation of legacy.flatMap(([, operations]) => Object.values(operations))) {
    operation.operationId = `legacy${operation.operationId.replace(/^./, letter => letter.toUpperCase())}`
    operation['deprecated'] = true
    for (const response of Object.values(operation.responses))
      if (response.$ref === undefined) response.headers = { ...response.headers, ...announcements }
  }
  for (const response of Object.values(components.responses)) Object.assign(response.headers, announcements)
  return {
    ...rest,
    info: {
      ...info,
      title: `${String(info['title'])}, legacy paths`,
      description: 'Older paths of operations that the current document describes. Each response names the successor.',
    },
    paths: Object.fromEntries(legacy),
    components: { ...components, headers: { ...components.headers, ...announced } },
  }
}
