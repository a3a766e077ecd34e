import { InvalidArgumentError } from 'commander'
import { type Network, networkIn } from '../networks.ts'

/** An option that names a network, and may be given several times. */
export function networksIn(text: string, before: Network[] = []): Network[] {
  const network = networkIn(text)
  if (network === null)
    throw new InvalidArgumentError('It must be an address or a network such as 203.0.113.0/24.')
  return [...before, network]
}
