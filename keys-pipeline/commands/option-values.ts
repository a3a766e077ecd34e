import { InvalidArgumentError } from 'commander'
import { type Network, networkIn } from '../networks.ts'

/** An option that names a network, and may be given several times. */
export function networksIn(text: string, before: Network[] = []): Network[] {
  const network = networkIn(text)
  if (network === null)
    throw new InvalidArgumentError('It must be an address or a network such as 203.0.113.0/24.')
  return [...before, network]
}

/** An option that is a span: whole seconds between the two. */
export const secondsIn =
  (least: number, most: number) =>
  (text: string): number => {
    const seconds = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
    if (seconds >= least && seconds <= most) return seconds
    throw new InvalidArgumentError(`It must be a whole number of seconds, ${least} to ${most}.`)
  }
