// npm oauth4webapi before authd, with each way to authenticate.
import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import { issuer, basicSecret, postSecret, signingKey, redirectURI, goodbyeURI, scope, person } from './common.mjs'

const ways = {
  basic: oauth.ClientSecretBasic(basicSecret),
  post: oauth.ClientSecretPost(postSecret),
  signer: oauth.PrivateKeyJwt(signingKey),
}
const insecure = { [oauth.allowInsecureRequests]: true } // plain http is for authd on this machine
const as = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), insecure))

async function signIn(client, authentication, parameters = {}) {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const nonce = oauth.generateRandomNonce()
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: redirectURI,
    scope,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...parameters,
  })
  const answer = oauth.validateAuthResponse(as, client, await person(url), state)
  const response = await oauth.authorizationCodeGrantRequest(as, client, authentication, answer, redirectURI, verifier, insecure)
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: nonce, requireIdToken: true })
  await oauth.validateApplicationLevelSignature(as, response, insecure) // the signature of the ID token
  return { ...tokens, claims: oauth.getValidatedIdTokenClaims(tokens) }
}

for (const [id, authentication] of Object.entries(ways)) {
  const client = { client_id: id }
  const userInfo = async (token, sub) =>
    oauth.processUserInfoResponse(as, client, sub, await oauth.userInfoRequest(as, client, token, insecure))
  const refresh = async (token) =>
    oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(as, client, authentication, token, insecure))
  const introspect = async (token) =>
    oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, authentication, token, insecure))
  const tokens = await signIn(client, authentication)
  const { sub } = tokens.claims
  assert.equal((await userInfo(tokens.access_token, sub)).preferred_username, 'ada')

  const next = await refresh(tokens.refresh_token)
  assert.notEqual(next.refresh_token, tokens.refresh_token)
  assert.equal(oauth.getValidatedIdTokenClaims(next).sub, sub)

  const active = await introspect(next.access_token)
  assert.deepEqual([active.active, active.sub, active.client_id, active.iss], [true, sub, id, issuer])
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, authentication, next.refresh_token, insecure))
  assert.equal((await introspect(next.access_token)).active, false)
  await assert.rejects(refresh(next.refresh_token), { error: 'invalid_grant' })

  // Without offline_access there is no refresh token, and the access token ends with the session.
  const { id_token, access_token, refresh_token } = await signIn(client, authentication, { prompt: 'login', scope: 'openid' })
  assert.equal(refresh_token, undefined)
  const url = new URL(as.end_session_endpoint)
  url.search = new URLSearchParams({ id_token_hint: id_token, post_logout_redirect_uri: goodbyeURI, state: 'bye' })
  assert.equal((await person(url)).href, `${goodbyeURI}?state=bye`)
  await assert.rejects(userInfo(access_token, sub), { status: 401 })
  await assert.rejects(signIn(client, authentication, { prompt: 'none' }), { error: 'login_required' })
  console.log(`oauth4webapi: ${id}`)
}
