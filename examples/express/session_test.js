// Puts ../sign-in/session.js through what a page would do with it.
import assert from 'node:assert/strict'
import { Session } from '../sign-in/session.js'

const { API, ISSUER } = process.env
const called = [] // paths at authd
const real = globalThis.fetch
let expired = '' // an access token that the API is to refuse
globalThis.fetch = (url, init) => {
  if (url.startsWith(ISSUER)) called.push(new URL(url).pathname)
  const refuse = url.startsWith(API) && init.headers.get('Authorization') === `Bearer ${expired}`
  if (url.startsWith(API) && !refuse) last = init.headers.get('Authorization')?.slice('Bearer '.length)
  return refuse ? Promise.resolve(new Response('', { status: 401 })) : real(url, init)
}
let last = ''

const session = new Session(ISSUER, 'app')
assert.equal((await session.fetch(`${API}/me`)).status, 401, 'without a sign-in')
await assert.rejects(session.signIn('ada', 'wrong'), /user name or password is wrong/)
await session.signIn('ada', 'correct horse battery staple')
assert.equal((await session.fetch(`${API}/me`)).status, 200, 'after the sign-in')

called.length = 0
expired = last
const answers = await Promise.all([1, 2, 3].map(() => session.fetch(`${API}/me`)))
assert.deepEqual(answers.map((a) => a.status), [200, 200, 200], 'after the access token expired')
assert.deepEqual(called, ['/oauth2/token'], 'three requests, one refresh')

await session.signOut()
assert.equal((await session.fetch(`${API}/me`)).status, 401, 'after the sign-out')
const ended = last // of before
for (let i = 0; (await real(`${API}/me`, { headers: { Authorization: `Bearer ${ended}` } })).status !== 401; i++) {
  assert.ok(i < 300, 'the API never hears that the sign-in has ended')
  await new Promise((resolve) => setTimeout(resolve, 100))
}
console.log('session.js does as it says')
