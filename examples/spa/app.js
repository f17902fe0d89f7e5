// A page whose people sign in at authd: the code flow of a public client. Tokens are in this module's memory and nowhere
// else; a reload forgets them, and authd remembers who is signed in.
import * as oauth from './oauth4webapi.js'

const { issuer, client_id } = await (await fetch('config.json')).json()
const client = { client_id }
const page = new URL('.', location).href // where authd sends people back to
const options = { [oauth.allowInsecureRequests]: issuer.startsWith('http://') } // as on a developer's machine
const as = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), options))

let tokens = null
let person = null // the ID token's claims
let refreshing = null // while a refresh is under way: a refresh token is good once

// Leaves the page. What the answer is held against waits in this tab; it is worth nothing without the answer.
async function signIn() {
  const begun = { state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce(), verifier: oauth.generateRandomCodeVerifier() }
  sessionStorage.setItem('sign-in', JSON.stringify(begun))
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id,
    redirect_uri: page,
    scope: 'openid profile offline_access',
    state: begun.state,
    nonce: begun.nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(begun.verifier),
    code_challenge_method: 'S256',
  })
  location.assign(url)
}

// Takes the answer, if the page was opened with one.
async function comeBack() {
  const url = new URL(location)
  const begun = JSON.parse(sessionStorage.getItem('sign-in'))
  if (!url.searchParams.has('state')) return
  sessionStorage.removeItem('sign-in')
  history.replaceState(null, '', page) // no code in the history
  if (!begun) throw new Error('this sign-in did not begin here')
  const answer = oauth.validateAuthResponse(as, client, url, begun.state) // state, iss, error
  const response = await oauth.authorizationCodeGrantRequest(as, client, oauth.None(), answer, page, begun.verifier, options)
  tokens = await oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: begun.nonce, requireIdToken: true })
  person = oauth.getValidatedIdTokenClaims(tokens)
}

// Sends a request with the access token; after a 401 once more with a new one.
async function call(request) {
  const sent = tokens
  const response = await request(sent.access_token)
  if (response.status !== 401) return response
  if (tokens === sent) await (refreshing ??= refresh().finally(() => (refreshing = null)))
  return request(tokens.access_token)
}

async function refresh() {
  const old = tokens
  let next = null
  try {
    const response = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), old.refresh_token, options)
    next = { ...old, ...(await oauth.processRefreshTokenResponse(as, client, response)) }
  } catch (error) {
    if (error.error !== 'invalid_grant') throw error // try again later: the sign-in may still be good
  }
  if (tokens === old) tokens = next // unless signOut was called meanwhile
  if (!tokens) throw new Error('your sign-in has ended')
}

async function profile() {
  const response = await call((token) => oauth.userInfoRequest(as, client, token, options))
  const { preferred_username } = await oauth.processUserInfoResponse(as, client, person.sub, response)
  document.querySelector('#answer').textContent = `You are ${preferred_username}.`
}

// Ends the refresh token, which would outlive the session, then the session at authd.
async function signOut() {
  const { refresh_token, id_token } = tokens
  tokens = null
  await oauth.revocationRequest(as, client, oauth.None(), refresh_token, options).catch(console.error)
  const url = new URL(as.end_session_endpoint)
  url.search = new URLSearchParams({ id_token_hint: id_token, post_logout_redirect_uri: page })
  location.assign(url)
}

function show() {
  document.querySelector('#state').textContent = tokens ? 'You are signed in.' : 'Nobody is signed in.'
  document.querySelector('#sign-in').hidden = tokens
  document.querySelector('#profile').hidden = document.querySelector('#sign-out').hidden = !tokens
}

async function run(action) {
  document.querySelector('#answer').textContent = ''
  await action().catch((error) => (document.querySelector('#answer').textContent = `That did not work: ${error.message}`))
  show()
}

document.querySelector('#sign-in').onclick = () => run(signIn)
document.querySelector('#profile').onclick = () => run(profile)
document.querySelector('#sign-out').onclick = () => run(signOut)
await run(comeBack)
