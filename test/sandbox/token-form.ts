import type { FastifyRequest } from 'fastify'
import { EpicRefusal } from './refusal.ts'

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

const GRANT_TYPES = ['client_credentials', 'authorization_code', 'refresh_token']

/** What a token request says. @throws EpicRefusal */
export function tokenForm(request: FastifyRequest): URLSearchParams {
  if (request.method !== 'POST') throw new EpicRefusal('method_not_post')
  if (request.url.includes('?')) throw new EpicRefusal('parameters_in_url')
  const form = formOf(request)
  const grantType = form.get('grant_type')
  if (grantType === null) throw new EpicRefusal('grant_type_missing')
  if (!GRANT_TYPES.includes(grantType)) throw new EpicRefusal('grant_type_unsupported')
  // RFC 6749 §2.3: one way to authenticate, and this app's way is its key.
  if (form.has('client_secret') || request.headers.authorization !== undefined)
    throw new EpicRefusal('secret_sent')
  if (form.get('client_assertion') === null) throw new EpicRefusal('assertion_missing')
  if (form.get('client_assertion_type') !== ASSERTION_TYPE)
    throw new EpicRefusal('assertion_type_wrong')
  return form
}

/** @throws EpicRefusal */
export function formOf(request: FastifyRequest): URLSearchParams {
  const type = request.headers['content-type'] ?? ''
  if (!type.startsWith('application/x-www-form-urlencoded')) throw new EpicRefusal('body_not_form')
  return eachOnce(new URLSearchParams(String(request.body ?? '')))
}

/** @throws EpicRefusal */
export function eachOnce(parameters: URLSearchParams): URLSearchParams {
  if (new Set(parameters.keys()).size < [...parameters.keys()].length)
    throw new EpicRefusal('parameter_twice')
  return parameters
}
