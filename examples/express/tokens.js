// Middleware that asks for a token of authd.
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import { Feed } from './feed.js'

const { ISSUER, CLIENT_ID, CLIENT_SECRET } = process.env
const found = await fetch(ISSUER + '/.well-known/oauth-authorization-server', { signal: AbortSignal.timeout(3000) })
if (!found.ok) throw new Error(`no metadata: status ${found.status}`)
const metadata = await found.json()
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri), {
  timeoutDuration: 3000,
  cooldownDuration: 5000, // between fetches for keys that it does not know
  cacheMaxAge: Infinity, // jose forgets old keys during an outage; below they are fetched again in time
})
await keys.reload()
setInterval(() => keys.reload().catch((error) => console.error('no keys:', error.message)), 300_000).unref()
const feed = await Feed.follow(metadata.authd_revocations_endpoint, CLIENT_ID, CLIENT_SECRET)

// What jose says when the keys cannot be fetched, beside what fetch itself throws.
const UNREACHABLE = ['ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID', 'ERR_JWKS_TIMEOUT']

class Refusal extends Error {
  constructor(status, error, parameters = {}) {
    super(error)
    Object.assign(this, { status, error, parameters })
  }
}

async function verify(jwt) {
  let verified
  try {
    verified = await jwtVerify(jwt, keys, {
      issuer: ISSUER,
      audience: 'https://api.example.com',
      algorithms: ['RS256'], // never what the token itself says
      typ: 'at+jwt', // RFC 9068: no ID token, no refresh token
      requiredClaims: ['sub', 'jti', 'iat', 'exp'],
      clockTolerance: 5, // seconds
    })
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw new Refusal(401, 'invalid_token', { error_description: 'token expired' })
    if (!(error instanceof errors.JOSEError) || UNREACHABLE.includes(error.code)) throw new Refusal(503, 'temporarily_unavailable')
    throw new Refusal(401, 'invalid_token', { error_description: 'token invalid' })
  }
  const { payload, protectedHeader } = verified
  if (!feed.isCurrent()) throw new Refusal(503, 'temporarily_unavailable')
  if (feed.revoked(protectedHeader, payload)) throw new Refusal(401, 'invalid_token', { error_description: 'token revoked' })
  return payload
}

export function token({ scope, fresh = false, optional = false } = {}) {
  return async (req, res, next) => {
    const [, scheme, jwt] = /^(\S+) +(.*)$/.exec(req.get('authorization') ?? '') ?? []
    if (scheme?.toLowerCase() !== 'bearer') {
      if (optional) return next()
      throw new Refusal(401, 'missing_token')
    }
    req.token = await verify(jwt)
    if (scope && !(req.token.scope ?? '').split(' ').includes(scope)) throw new Refusal(403, 'insufficient_scope', { scope })
    if (fresh && req.token.fresh !== true) throw new Refusal(401, 'insufficient_user_authentication', { max_age: '0' })
    next()
  }
}

// Express's error handler for refused requests.
export function refused(error, req, res, next) {
  if (!(error instanceof Refusal)) return next(error)
  if (error.status === 503) {
    res.set('Retry-After', '5')
  } else {
    // RFC 6750 §3: no error where there was no token
    const told = error.error === 'missing_token' ? {} : { error: error.error, ...error.parameters }
    const challenge = Object.entries(told).map(([name, value]) => `${name}="${value}"`).join(', ')
    res.set('WWW-Authenticate', `Bearer ${challenge}`.trim())
  }
  res.status(error.status).json({ error: error.error, ...error.parameters })
}
