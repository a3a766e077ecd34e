/**
 * Loaded with `node --import` into a broker: its wall clock is off by WALL_BY milliseconds, then by what its parent last
 * said (`{ wallBy }`). Each message is answered with the bytes of the heap that are in use once its garbage is gone, without
 * compiled code: what is compiled late, since its fault comes late, is not what leaks.
 */
import process from 'node:process'
import { getHeapCodeStatistics } from 'node:v8'

const { now } = Date
let by = Number(process.env['WALL_BY'])
const wall = (): number => now() + by

globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [wall()] : args, newTarget),
})
Date.now = wall

process.on('message', ({ wallBy }: { wallBy?: number }) => {
  by = wallBy ?? by
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  const { code_and_metadata_size: code, bytecode_and_metadata_size: bytecode } =
    getHeapCodeStatistics()
  process.send?.({ heap: heapUsed + external - code - bytecode })
})
// It does not outlive who asked for it.
process.once('disconnect', () => process.exit(1))
process.channel?.unref()
