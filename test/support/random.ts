import process from 'node:process'
import fc from 'fast-check'

fc.configureGlobal({
  seed: Number(process.env['LOCKSTEP_SEED']),
  numRuns: process.env['LOCKSTEP_LONG'] === '1' ? 1000 : 100,
})
