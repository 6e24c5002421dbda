import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'
import { Type } from 'typebox'
import { invalidField } from './problems.ts'

/**
 * The address of a proxy or a socket in a canonical form: without port, brackets, quotes and zone, IPv4 as IPv4.
 * Undefined if the text is not an address.
 */
export function readAddress(text: string): string | undefined {
  if (isIPv4(text)) return text
  const bare = text.trim().replace(/^"(.*)"$/, '$1')
  const [, inBrackets, beforePort] = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/.exec(bare) ?? []
  const [address = ''] = (inBrackets ?? beforePort ?? bare).split('%', 1)
  if (isIPv4(address)) return inBrackets === undefined ? address : undefined
  if (!isIPv6(address)) return undefined
  // URL converts every notation to one form.
  const written = new URL(`http://[${address}]`).hostname.slice(1, -1)
  return mappedOf(written) ?? written
}

/** The IPv4 address in an IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2), in the notation of URL. */
function mappedOf(address: string): string | undefined {
  const [, high, low] = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(address) ?? []
  if (high === undefined || low === undefined) return undefined
  const [one, other] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return [one >> 8, one & 0xff, other >> 8, other & 0xff].join('.')
}

export const AddressFilter = Type.String({
  minLength: 1,
  maxLength: 45,
  description: 'The whole client address, in any notation.',
  examples: ['203.0.113.7'],
})

/** The address of a filter `ip`, as it is stored. @throws Problem invalid-fields */
export function readAddressFilter(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const address = readAddress(text)
  if (address === undefined) throw invalidField('?ip', 'is not an IP address')
  return address
}

/** The key by which an address is counted: an IPv6 subscriber has at least a /64, so a /64 counts as one. */
export function addressKey(text: string): string {
  const address = readAddress(text) ?? text
  // Check for a colon first: isIPv6 is slow, and most addresses are IPv4.
  if (!address.includes(':') || !isIPv6(address)) return address
  const [front = [], back] = address.split('::').map(part => part.split(':').filter(group => group !== ''))
  const gap = back === undefined ? [] : Array<string>(8 - front.length - back.length).fill('0')
  return `${[...front, ...gap, ...(back ?? [])].slice(0, 4).join(':')}::/64`
}

/** Tests whether an address, in any notation, is in one of these networks (CIDR, or single addresses). */
export function networkTest(networks: readonly string[]): (address: string | undefined) => boolean {
  const known = new BlockList()
  for (const network of networks) {
    const [given = '', bits] = network.split('/')
    const address = readAddress(given) ?? given
    const isMapped = isIPv4(address) && !isIPv4(given)
    const prefix = Number(bits ?? (isIPv6(given) ? 128 : 32)) - (isMapped ? 96 : 0)
    // A network that is shorter than the prefix of mapped addresses contains none that is written as IPv4.
    if (prefix >= 0) known.addSubnet(address, prefix, isIPv4(address) ? 'ipv4' : 'ipv6')
  }
  return text => {
    const address = readAddress(text ?? '')
    return address !== undefined && known.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }
}

/** Addresses that are not public (IANA's special-purpose registries), or that contain another address. */
const special = networkTest([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
])
const isGlobalUnicast = networkTest(['2000::/3'])

/** Whether an address is public. */
export function isPublicAddress(text: string): boolean {
  const address = readAddress(text)
  return address !== undefined && !special(address) && (isIPv4(address) || isGlobalUnicast(address))
}
