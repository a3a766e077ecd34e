import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { readConfig } from '../../broker/config.ts'
import type { ConfigFile } from '../../broker/config-schema.ts'
import { loadSigners } from '../../broker/signers.ts'
import type { World } from './world.ts'

/** The config file changed, and taken as the daemon takes it. */
export async function changeConfig(
  { folder, take }: Pick<World, 'folder' | 'take'>,
  edit: (file: ConfigFile) => void,
): Promise<void> {
  const path = join(folder, 'broker.yaml')
  const file = parse(readFileSync(path, 'utf8')) as ConfigFile
  edit(file)
  writeFileSync(path, stringify(file))
  const config = readConfig(path)
  take(config, (await loadSigners(config)).signers)
}
