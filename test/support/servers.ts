import { type ChildProcess, spawn } from 'node:child_process'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { fill as fillFolder, folderWith, type Tree } from './keys.ts'
import { freePort } from './processes.ts'

/** A server that somebody else wrote, on a port of its own, until the test ends. */
export interface Foreign {
  port: number
  /** Where its files lie. */
  folder: string
}

/** nginx with this inside `server { listen … ssl; … }`; `above` stands in `http`. */
export function nginx(server: string, files: Tree, above = ''): Promise<Foreign> {
  return run(files, (port, folder) => [
    '/usr/sbin/nginx',
    ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'],
    {
      'nginx.conf': `
        daemon off; master_process off; pid nginx.pid; error_log stderr crit;
        events { worker_connections 64; }
        http {
          access_log off; default_type application/octet-stream; types { application/json json; text/html html; }
          client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
          ${above}
          server {
            listen 127.0.0.1:${port} ssl; root ${folder}/site;
            ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;
            ${server}
          }
        }`,
    },
  ])
}

/** haproxy with these lines in its `frontend`; the certificate is in `both.pem`. */
export function haproxy(
  frontend: string,
  backends: string,
  files: Tree,
  bind = 'ssl crt both.pem',
): Promise<Foreign> {
  return run(files, (port, folder) => [
    '/usr/sbin/haproxy',
    ['-db', '-C', folder, '-f', 'haproxy.cfg'],
    {
      'haproxy.cfg': `
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
frontend all
  bind 127.0.0.1:${port} ${bind}
${frontend}
${backends}
`,
    },
  ])
}

/** `openssl s_server` that answers with the file of the path, HTTP head and all. */
export function sServer(args: readonly string[], files: Tree): Promise<Foreign> {
  return run(files, (port, folder) => [
    '/usr/bin/openssl',
    [
      ...['s_server', '-quiet', '-HTTP', '-accept', `127.0.0.1:${port}`],
      ...['-cert', join(folder, 'cert.pem'), '-key', join(folder, 'key.pem'), ...args],
    ],
    {},
  ])
}

type Command = [program: string, args: string[], files: Tree]

async function run(
  files: Tree,
  command: (port: number, folder: string) => Command,
): Promise<Foreign> {
  const port = await freePort()
  const folder = folderWith(files)
  const [program, args, more] = command(port, folder)
  fillFolder(folder, more)
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', chunk => {
    said += chunk
  })
  onTestFinished(() => ended(child))
  await listens(port, child, () => said)
  return { port, folder }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const end = new Promise(done => child.once('exit', done))
  child.kill('SIGKILL')
  await end
}

/** A hundred tries, 20 ms apart: there is nothing else by which these programs tell that they listen. */
async function listens(port: number, child: ChildProcess, said: () => string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) break
    if (await accepts(port)) return
    await wait(20)
  }
  throw new Error(`${child.spawnfile} does not listen: ${said()}`)
}

const accepts = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = createConnection(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
