// What both clients in JavaScript are given by ./run.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

export const { ISSUER: issuer, SECRET_OF_BASIC: basicSecret, SECRET_OF_POST: postSecret } = process.env
export const redirectURI = process.env.home + '/callback'
export const goodbyeURI = process.env.home + '/goodbye'
export const scope = 'openid profile offline_access orders:read'

const { kid, ...jwk } = JSON.parse(await readFile(process.env.KEY_OF_SIGNER, 'utf8'))
export const signingKey = { kid, key: await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']) }

// Opens a page as a person does who signs in and allows what is asked for; returns where the browser ends up.
export async function person(url) {
  const { stdout } = await promisify(execFile)('./person', [url.href])
  return new URL(stdout.trim())
}
