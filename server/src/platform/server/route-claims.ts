/** The method and path of a route, as the router reports them. */
interface ClaimedRoute {
  method: string | readonly string[]
  url: string
}

/**
 * Records the feature of each route, for a hook in the feature's context. @throws Error that names both features if two
 * have the same method and path
 */
export function createRouteClaims(): (feature: string) => (route: ClaimedRoute) => void {
  const owners = new Map<string, string>()
  return feature =>
    ({ method, url }) => {
      for (const one of [method].flat()) {
        // Paths that differ only in the names of parameters are the same path.
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
