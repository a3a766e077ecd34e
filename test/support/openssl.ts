import { spawnSync } from 'node:child_process'
import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** OpenSSL, or its complaint. What it must open by name is given it as a file: it cannot open a socket. */
export function openssl(args: readonly string[], input?: string | Buffer): Buffer {
  if (!args.includes('/dev/stdin') || input === undefined) return runOpenssl(args, input)
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-openssl-'))
  try {
    const file = join(folder, 'input')
    writeFileSync(file, input)
    return runOpenssl(args.map(arg => (arg === '/dev/stdin' ? file : arg)))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function runOpenssl(args: readonly string[], input?: string | Buffer): Buffer {
  const { status, stdout, stderr } = spawnSync('openssl', args, { input })
  if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`)
  return stdout
}

/** Whether OpenSSL finds the signature of a compact JWS good: the hash is the alg's, an ECDSA signature is made DER. */
export function opensslVerifies(jws: string, publicKey: JsonWebKey): boolean {
  const [header = '', payload = '', encoded = ''] = jws.split('.')
  const { alg } = JSON.parse(Buffer.from(header, 'base64url').toString())
  const raw = Buffer.from(encoded, 'base64url')
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-openssl-'))
  try {
    writeFileSync(
      join(folder, 'key.pem'),
      createPublicKey({ key: publicKey, format: 'jwk' }).export({ type: 'spki', format: 'pem' }),
    )
    writeFileSync(join(folder, 'signature'), alg.startsWith('ES') ? derSignature(raw) : raw)
    const args = [
      'dgst',
      `-sha${alg.slice(2)}`,
      '-verify',
      join(folder, 'key.pem'),
      '-signature',
      join(folder, 'signature'),
    ]
    return spawnSync('openssl', args, { input: `${header}.${payload}` }).status === 0
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** R‖S of RFC 7518 §3.4 as the SEQUENCE of two INTEGERs that OpenSSL reads. */
function derSignature(raw: Buffer): Buffer {
  const integer = (part: Buffer): Buffer => {
    const trimmed = part.subarray(part.findIndex(byte => byte !== 0))
    const positive =
      (trimmed[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), trimmed]) : trimmed
    return Buffer.concat([Buffer.from([2, positive.length]), positive])
  }
  const body = Buffer.concat([
    integer(raw.subarray(0, raw.length / 2)),
    integer(raw.subarray(raw.length / 2)),
  ])
  return Buffer.concat([Buffer.from([0x30, body.length]), body])
}
