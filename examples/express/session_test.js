// Puts ../sign-in/session.js through what a page would do with it.
import assert from 'node:assert/strict'
import { Session } from '../sign-in/session.js'

const { API, ISSUER } = process.env
const send = globalThis.fetch
const atIssuer = [] // paths that were called there
let latest = '' // the access token that the API got
let expired = '' // one that it is to refuse
globalThis.fetch = async (url, init) => {
  if (url.startsWith(ISSUER)) {
    atIssuer.push(new URL(url).pathname)
    return send(url, init)
  }
  latest = init.headers.get('Authorization')?.replace('Bearer ', '')
  return latest && latest === expired ? new Response('', { status: 401 }) : send(url, init)
}
const me = async (session) => (await session.fetch(`${API}/me`)).status

const session = new Session(ISSUER, 'app')
assert.equal(await me(session), 401, 'without a sign-in')
await assert.rejects(session.signIn('ada', 'wrong'), /user name or password is wrong/)
await session.signIn('ada', 'correct horse battery staple')
assert.equal(await me(session), 200, 'after the sign-in')

atIssuer.length = 0
expired = latest
assert.deepEqual(await Promise.all([me(session), me(session), me(session)]), [200, 200, 200], 'after the token expired')
assert.deepEqual(atIssuer, ['/oauth2/token'], 'three requests, one refresh')

const ended = latest
await session.signOut()
assert.equal(await me(session), 401, 'after the sign-out')
const giveUp = Date.now() + 60_000
while ((await send(`${API}/me`, { headers: { Authorization: `Bearer ${ended}` } })).status !== 401) {
  assert.ok(Date.now() < giveUp, 'the API does not hear that the sign-in has ended')
  await new Promise((resolve) => setTimeout(resolve, 100))
}
console.log('session.js does as it says')
