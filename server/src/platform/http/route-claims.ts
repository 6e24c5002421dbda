/** What a route is known by, as the router tells it. */
interface ClaimedRoute {
  method: string | readonly string[]
  url: string
}

/**
 * Notes whose each route is, for a hook of the feature's own context. @throws Error that names both features where two have
 * one method and path
 */
export function createRouteClaims(): (feature: string) => (route: ClaimedRoute) => void {
  const owners = new Map<string, string>()
  return feature =>
    ({ method, url }) => {
      for (const one of [method].flat()) {
        // What a parameter is called makes no other path.
        const place = `${one} ${url.replace(/:\w+/g, ':')}`
        const other = owners.get(place)
        if (other === feature) throw new Error(`the feature ${feature} has the route ${one} ${url} twice: take one out`)
        if (other !== undefined)
          throw new Error(
            `the features ${other} and ${feature} both have the route ${one} ${url}: change one of the paths`,
          )
        owners.set(place, feature)
      }
    }
}
