// Makes the key of a client that signs: the private one in the file that is named, the public one, as a JWK set, on stdout.
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const kid = randomUUID()
writeFileSync(process.argv[2], JSON.stringify({ kid, ...privateKey.export({ format: 'jwk' }) }), { mode: 0o600 })
console.log(JSON.stringify({ keys: [{ kid, alg: 'ES256', use: 'sig', ...publicKey.export({ format: 'jwk' }) }] }))
