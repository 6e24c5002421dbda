import { isIPv6 } from 'node:net'

/** One IPv6 subscriber holds a /64 at least, so it counts as one; an IPv4 address in IPv6's clothes is what it is. */
export function addressKey(ip: string): string {
  // The colon first: the whole test is a long expression, and most addresses are IPv4.
  if (!ip.includes(':') || !isIPv6(ip)) return ip
  const groups = groupsOf(ip)
  const isMapped = groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff
  if (isMapped)
    return groups
      .slice(6)
      .flatMap(group => [group >> 8, group & 0xff])
      .join('.')
  return `${groups
    .slice(0, 4)
    .map(group => group.toString(16))
    .join(':')}::/64`
}

/** The eight numbers of an IPv6 address. URL writes every spelling in one way. */
function groupsOf(ip: string): number[] {
  const written = new URL(`http://[${ip.split('%', 1)[0]}]`).hostname.slice(1, -1)
  const [front = [], back] = written.split('::').map(part => part.split(':').filter(group => group !== ''))
  const gap = back === undefined ? [] : Array<string>(8 - front.length - back.length).fill('0')
  return [...front, ...gap, ...(back ?? [])].map(group => Number.parseInt(group, 16))
}
