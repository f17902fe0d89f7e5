// A person in front of a real browser, who goes through the page: Chromium without a window.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import CDP from 'chrome-remote-interface'

const { CHROMIUM, PROFILE, ISSUER, PAGE } = process.env

// Root has no sandbox. The rest keeps the browser from calling its maker.
const flags = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--no-proxy-server', `--user-data-dir=${PROFILE}`, '--remote-debugging-port=0', 'about:blank',
]
const chromium = spawn(CHROMIUM, flags, { stdio: ['ignore', 'ignore', 'pipe'] })
const gone = new Promise((resolve) => chromium.on('exit', resolve))
const port = await new Promise((resolve, reject) => {
  gone.then((code) => reject(new Error(`Chromium ended with ${code}`)))
  createInterface(chromium.stderr).on('line', (line) => {
    const found = /^DevTools listening on ws:\/\/[^:]+:(\d+)/.exec(line)
    if (found) resolve(Number(found[1]))
  })
})
const { Input, Log, Network, Page, Runtime, ...browser } = await CDP({ port, local: true })
await Promise.all([Log.enable(), Network.enable(), Page.enable(), Runtime.enable()])
const log = [] // what the browser says, for when something fails
Log.entryAdded(({ entry }) => log.push(`${entry.text} ${entry.url ?? ''}`))
Runtime.exceptionThrown(({ exceptionDetails }) => log.push(exceptionDetails.exception?.description))

const evaluate = async (expression) => (await Runtime.evaluate({ expression, awaitPromise: true })).result.value

// Asks the page until it says yes. Meanwhile a page may be left, which ends what it was asked.
async function until(what, expression) {
  const giveUp = Date.now() + 60_000
  for (;;) {
    const answer = await evaluate(expression).catch(() => false)
    if (answer) return answer
    if (Date.now() > giveUp) {
      throw new Error(`${what}: the page is ${await evaluate('location.href + "\\n" + document.body.innerText')}`)
    }
    await pause(50)
  }
}

const element = (selector) => `document.querySelector(${JSON.stringify(selector)})`
const see = (selector, text) => until(`${selector} says ${text}`, `${element(selector)}.textContent.includes(${JSON.stringify(text)})`)
const click = (selector) => until(`${selector} can be clicked`, `((e) => e?.checkVisibility() && (e.click(), true))(${element(selector)})`)
async function type(selector, text) {
  await until(`${selector} can be filled in`, `((e) => e && (e.focus(), document.activeElement === e))(${element(selector)})`)
  await Input.insertText({ text })
}

// What the token endpoint gave the page, and for how many requests.
const issued = []
const asked = new Set()
Network.requestWillBeSent(({ requestId, request }) => {
  if (request.url === ISSUER + '/oauth2/token' && request.postData?.includes('grant_type=')) asked.add(requestId)
})
Network.loadingFinished(async ({ requestId }) => {
  if (asked.has(requestId)) issued.push(JSON.parse((await Network.getResponseBody({ requestId })).body))
})
async function latest(count) {
  const giveUp = Date.now() + 60_000
  while (issued.length < count && Date.now() < giveUp) await pause(20)
  assert.equal(asked.size, count, 'requests to the token endpoint')
  return issued.at(-1)
}
const post = (path, form) => fetch(ISSUER + path, { method: 'POST', body: new URLSearchParams({ client_id: 'spa', ...form }) })
const revoke = async (token) => assert.equal((await post('/oauth2/revoke', { token })).status, 200)

const allow = () => click('form[action="/consent"] button[value=allow]')
async function signIn() {
  await click('#sign-in')
  await type('form[action="/login"] [name=username]', 'ada')
  await type('form[action="/login"] [name=password]', 'correct horse battery staple')
  await click('form[action="/login"] button[type=submit]')
  await allow()
  await see('#state', 'You are signed in.')
}

try {
  await Page.navigate({ url: PAGE })
  await see('#state', 'Nobody is signed in.')
  await signIn()
  await click('#profile')
  await see('#answer', 'You are ada.')
  const left = 'JSON.stringify([location.href, localStorage.length, sessionStorage.length, document.cookie])'
  assert.deepEqual(JSON.parse(await evaluate(left)), [PAGE, 0, 0, ''])
  console.log('signed in: no code in the address, nothing in the storage, no cookie')

  const first = await latest(1)
  await revoke(first.access_token) // as if it had expired
  await evaluate(`for (let i = 0; i < 3; i++) ${element('#profile')}.click()`)
  await see('#answer', 'You are ada.')
  const second = await latest(2)
  assert.notEqual(second.refresh_token, first.refresh_token)
  console.log('an access token that is refused: three calls, one refresh, a new refresh token')

  const read = `fetch(${JSON.stringify(ISSUER)} + '/oauth2/token', { method: 'POST', body: new URLSearchParams({ client_id: 'spa' }) })
    .then((answer) => answer.json(), (error) => error.name).then(JSON.stringify)`
  assert.equal(JSON.parse(await evaluate(read)).error, 'invalid_request')
  await Page.navigate({ url: PAGE.replace('127.0.0.1', 'localhost') })
  await see('#state', 'Nobody is signed in.')
  assert.equal(JSON.parse(await evaluate(read)), 'TypeError')
  console.log('CORS: the page of another origin cannot read what the token endpoint answers')

  await Page.navigate({ url: PAGE })
  await see('#state', 'Nobody is signed in.')
  await click('#sign-in')
  await allow()
  await see('#state', 'You are signed in.')
  console.log('after a reload: signed in without a password')

  const { refresh_token } = await latest(3)
  await click('#sign-out')
  await see('#state', 'Nobody is signed in.')
  const refused = await post('/oauth2/token', { grant_type: 'refresh_token', refresh_token })
  assert.deepEqual([refused.status, (await refused.json()).error], [400, 'invalid_grant'])
  await signIn()
  await latest(4)
  console.log('after the sign-out: the refresh token is refused, and authd asks for the password')
} catch (error) {
  console.error(log.join('\n'))
  throw error
} finally {
  await browser.Browser.close().catch(() => chromium.kill())
  await gone
}
