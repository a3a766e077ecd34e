import process from 'node:process'

/** One line to the terminal. */
export const say = (text = ''): void => void process.stdout.write(`${text}\n`)

/** Does one thing and says, when it is done, what it was and how long it took. */
export async function step<T>(what: string, work: () => Promise<T> | T): Promise<T> {
  const began = performance.now()
  try {
    const result = await work()
    say(`✓ ${what}  (${Math.round(performance.now() - began)} ms)`)
    return result
  } catch (error) {
    say(`✗ ${what}`)
    throw error
  }
}
