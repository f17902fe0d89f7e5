// npm openid-client before authd, with each way to authenticate.
import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { issuer, basicSecret, postSecret, signingKey, redirectURI, goodbyeURI, scope, person } from './common.mjs'

const ways = {
  basic: client.ClientSecretBasic(basicSecret),
  post: client.ClientSecretPost(postSecret),
  signer: client.PrivateKeyJwt(signingKey),
}

async function signIn(config, parameters = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const expectedState = client.randomState()
  const expectedNonce = client.randomNonce()
  const landed = await person(client.buildAuthorizationUrl(config, {
    redirect_uri: redirectURI,
    scope,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
    ...parameters,
  }))
  return client.authorizationCodeGrant(config, landed, { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true })
}

for (const [id, authentication] of Object.entries(ways)) {
  const config = await client.discovery(new URL(issuer), id, {}, authentication, {
    // Plain http is for authd on this machine. The signatures of ID tokens are verified only where it is said.
    execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
  })
  const tokens = await signIn(config, { max_age: '600' })
  const { sub, auth_time } = tokens.claims()
  assert.ok(auth_time > 0)
  const user = await client.fetchUserInfo(config, tokens.access_token, sub)
  assert.equal(user.preferred_username, 'ada')

  const next = await client.refreshTokenGrant(config, tokens.refresh_token)
  assert.notEqual(next.refresh_token, tokens.refresh_token)
  assert.equal(next.claims().sub, sub)

  const active = await client.tokenIntrospection(config, next.access_token)
  assert.deepEqual([active.active, active.sub, active.client_id, active.iss], [true, sub, id, issuer])
  await client.tokenRevocation(config, next.refresh_token)
  assert.equal((await client.tokenIntrospection(config, next.access_token)).active, false)
  await assert.rejects(client.refreshTokenGrant(config, next.refresh_token), { error: 'invalid_grant' })

  // Without offline_access there is no refresh token, and the access token ends with the session.
  const { id_token, access_token, refresh_token } = await signIn(config, { prompt: 'login', scope: 'openid' })
  assert.equal(refresh_token, undefined)
  const state = client.randomState()
  const goodbye = await person(client.buildEndSessionUrl(config, { id_token_hint: id_token, post_logout_redirect_uri: goodbyeURI, state }))
  assert.equal(goodbye.href, `${goodbyeURI}?state=${state}`)
  await assert.rejects(client.fetchUserInfo(config, access_token, sub), { status: 401 })
  await assert.rejects(signIn(config, { prompt: 'none' }), { error: 'login_required' })
  console.log(`openid-client: ${id}`)
}
