import { createRequire } from 'node:module'

/** The client of Valkey and Redis, for whoever has one: it is a third of all the code, and most brokers have none. */
export const loadRedis = (): typeof import('redis') => createRequire(import.meta.url)('redis')
