// Verifies tokens with npm jose: one a line on stdin, a verdict a line on stdout, "ok" or why not.
//
//   node jose.mjs JWKS-URL ISSUER AUDIENCE fast|defaults
import { readFileSync } from 'node:fs'
import { webcrypto } from 'node:crypto'
import { createInterface } from 'node:readline'

globalThis.crypto ??= webcrypto // Debian 12 has Node 18, where it is no global yet
const { createRemoteJWKSet, jwtVerify } = await import('jose')

const [url, issuer, audience, tuning] = process.argv.slice(2)
const options = tuning === 'fast' ? { cooldownDuration: 0, cacheMaxAge: 1000 } : undefined // in milliseconds
const keys = createRemoteJWKSet(new URL(url), options)
const own = new URL('node_modules/jose/package.json', import.meta.url)
console.log(JSON.parse(readFileSync(own, 'utf8')).version)

for await (const token of createInterface({ input: process.stdin })) {
  try {
    await jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt', algorithms: ['RS256'] })
    console.log('ok')
  } catch (error) {
    console.log(`${error.code ?? error.name}: ${error.message}`.replaceAll('\n', ' '))
  }
}
