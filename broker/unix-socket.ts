import { lstatSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'

/** Characters. What a Unix socket's path may have on Linux and macOS alike. */
const MOST_PATH = 100

/** What is wrong with the path of a socket, absolute. */
export const socketFault = (path: string): string | null =>
  path.length > MOST_PATH ? `${path} is longer than ${MOST_PATH} characters` : null

/**
 * Takes away the socket of a broker that ended without doing so. One that answers is somebody's, and stays: listening
 * there will fail with EADDRINUSE. What is no socket is never touched.
 */
export async function clearSocket(path: string): Promise<void> {
  try {
    if (!lstatSync(path).isSocket()) return
  } catch {
    return
  }
  if (!(await answers(path))) unlinkSync(path)
}

const answers = (path: string): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'))
  })
