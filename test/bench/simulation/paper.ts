/** What a fleet is reckoned from. Seconds, bytes, per second. */
export interface Inputs {
  /** Hand-outs per second. */
  rate: number
  /** Hand-outs per second of one process on one core. */
  processRate: number
  /** Of that, what is used at most, from 0 to 1: with one zone out. */
  fullest: number
  zones: number
  hospitals: number
  /** Sets of scopes that are asked for at each hospital, which are tokens of their own. */
  scopeSets: number
  /** What an EHR takes to answer. */
  ehr: number
  /** Of the access token. */
  token: number
  request: number
  reply: number
  record: number
  /** Of a process without tokens. */
  idle: number
  /** In a process, beyond the token's own bytes. */
  held: number
  /** Of redis's core, for one round trip. */
  trip: number
}

/** What follows from them, for tokens of one life. */
export interface Figures {
  processes: number
  usualLoad: number
  loadWithoutZone: number
  keys: number
  /** Seconds before the end at which the first process refreshes, at most. */
  lead: number
  /** Seconds between two calls for one key, all processes together, with redis and without. */
  period: number
  periodAlone: number
  /** EHR calls per second, of all together. */
  calls: number
  callsAlone: number
  /** EHR calls of one hospital in an hour. */
  callsOfOne: number
  callsOfOneAlone: number
  /** Round trips to redis for one EHR call, and per second. */
  tripsPerCall: number
  trips: number
  /** A deployment, and a zone that comes back, in looks that are made once. */
  looksOfDeployment: number
  looksOfReturn: number
  /** Values to and from redis, per second. */
  storeBytes: number
  memory: number
  audit: number
  network: number
}

/** Of `broker/tokens/cache.ts`: where a refresh begins, and by how much chance puts it off. */
const LEAD = { most: 300, share: 1 / 3, chance: 1 / 5 }
/** Around the sealed token: its scope, kid and times, the id of its key, nonce and tag. */
const SEALED_BESIDE = 200

/** So many that one zone less can carry the whole. */
export const processesFor = ({ rate, processRate, fullest, zones }: Inputs): number =>
  zones * Math.ceil(rate / (processRate * fullest * (zones - 1)))

export function figuresOf(
  inputs: Inputs,
  life: number,
  processes: number = processesFor(inputs),
): Figures {
  const { rate, processRate, zones, hospitals, scopeSets } = inputs
  const keys = hospitals * scopeSets
  const lead = Math.min(life * LEAD.share, LEAD.most)
  // The least of as many chances as there are processes, and the middle of one.
  const period = life - lead + (lead * LEAD.chance) / (processes + 1)
  const periodAlone = life - lead + (lead * LEAD.chance) / 2
  // The caller looks twice, locks, puts, unlocks and reads the board; each other one looks once.
  const tripsPerCall = 6 + (processes - 1)
  const sealed = Math.ceil((inputs.token + SEALED_BESIDE) * (4 / 3))
  const calls = keys / period
  return {
    ...{ processes, keys, lead, period, periodAlone, calls, tripsPerCall },
    usualLoad: rate / (processes * processRate),
    loadWithoutZone: rate / (processes * (1 - 1 / zones) * processRate),
    callsAlone: (processes * keys) / periodAlone,
    callsOfOne: (scopeSets * 3600) / period,
    callsOfOneAlone: (processes * scopeSets * 3600) / periodAlone,
    trips: calls * tripsPerCall,
    looksOfDeployment: processes * keys,
    looksOfReturn: (processes / zones) * keys,
    // One puts it, the others get it.
    storeBytes: calls * processes * sealed,
    memory: inputs.idle + keys * (inputs.held + inputs.token),
    audit: rate * inputs.record,
    network: rate * (inputs.request + inputs.reply),
  }
}
