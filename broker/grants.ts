/** One grant of a service as the config writes it: at one upstream, or at all that bear these labels. */
export interface GrantLine {
  upstream?: string | undefined
  labels?: Readonly<Record<string, string>> | undefined
  scopes: readonly string[]
}

/** What a service may have at one upstream, of one line or of several. */
export interface UpstreamGrant {
  upstream: string
  scopes: readonly string[]
  /** Which of the service's grants say so, counted from 0. */
  lines: readonly number[]
}

type Labelled = Readonly<Record<string, { labels?: Readonly<Record<string, string>> | undefined }>>

/** Whether an upstream bears all the labels. A selector without labels selects nothing. */
export function bears(
  labels: Readonly<Record<string, string>> | undefined,
  selector: Readonly<Record<string, string>>,
): boolean {
  const wanted = Object.entries(selector)
  const has = new Map(Object.entries(labels ?? {}))
  return wanted.length > 0 && wanted.every(([name, value]) => has.get(name) === value)
}

/** The grants of one service, an entry per upstream: where several lines grant one, their scopes add up. */
export function expandGrants(grants: readonly GrantLine[], upstreams: Labelled): UpstreamGrant[] {
  const found = grants.flatMap(({ upstream, labels, scopes }, line) => {
    // A line without labels, of thousands, looks through no list of thousands.
    const group =
      labels === undefined
        ? []
        : Object.keys(upstreams).filter(id => bears(upstreams[id]?.labels, labels))
    return [...(upstream === undefined ? [] : [upstream]), ...group].map(id => ({
      id,
      scopes,
      line,
    }))
  })
  return [...Map.groupBy(found, each => each.id)].map(([upstream, of]) => ({
    upstream,
    scopes: [...new Set(of.flatMap(each => each.scopes))],
    lines: of.map(each => each.line),
  }))
}
