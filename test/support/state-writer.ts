import process from 'node:process'
import type { KeyState } from '../../broker/keys/state.ts'
import { openStateFolder } from '../../broker/keys/state-file.ts'

/** A process that has the state folder ARGV[2], saves the states of ARGV[3] one after the other, and stays. */
const [, , folder = '', states = '[]'] = process.argv
const { drawerOf } = openStateFolder(folder, { now: Date.now, onSetAside: () => {} })
const drawer = drawerOf('nonprod')
for (const state of JSON.parse(states) as KeyState[]) drawer.save(state, state.since)
process.stdout.write('saved\n')
setInterval(() => {}, 60_000)
