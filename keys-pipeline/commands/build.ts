import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { ENVIRONMENTS } from '../key-set.ts'
import { build } from '../pipeline.ts'
import { readTemplates } from '../read.ts'
import { builtReport } from '../report.ts'
import { readSettings } from '../settings.ts'
import { optionsIn, type Terminal } from './terminal.ts'

type BuildOptions = { keys: string; out: string; settings: string; commit?: string; json?: true }

/** `build`. */
export function buildCommand(program: Command, terminal: Terminal): void {
  const { print, printJson, show } = terminal
  const options = optionsIn(terminal)

  program
    .command('build')
    .description('turn the keys folder into the site, whole or not at all')
    .addOption(options.keys())
    .addOption(options.out())
    .addOption(options.settings())
    .addOption(
      new Option('--commit <sha>', 'the commit that publication.json names').env('GITHUB_SHA'),
    )
    .addOption(options.json())
    .action((given: BuildOptions) => {
      const { keys, out, commit = null } = given
      const settings = readSettings(given.settings, show)
      const site = build({ keys, out, settings, templates: templatesIn(terminal), commit, show })
      const published = ENVIRONMENTS.map(name => settings.environments[name].path).filter(each =>
        site.has(each),
      )
      if (given.json) printJson({ out, files: [...site.keys()], published })
      else print(builtReport(site, settings, show(out)))
    })
}

const templatesIn = ({ project }: Terminal) => readTemplates(join(project, 'site'))
