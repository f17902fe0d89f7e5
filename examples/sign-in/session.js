// The tokens of one person in one page. They are in memory and nowhere else.
export class Session {
  #issuer
  #client
  #tokens = null
  #refreshing = null // while a refresh is under way: a refresh token is good once

  constructor(issuer, client) {
    this.#issuer = issuer
    this.#client = client
  }

  async signIn(username, password) {
    this.#tokens = await this.#post('/account/login', { client_id: this.#client, username, password })
  }

  // Sends a request with the access token; after a 401 once more with a new one.
  async fetch(url, init = {}) {
    const sent = this.#tokens
    const answer = await this.#send(url, init)
    if (![401, 422].includes(answer.status) || !sent) return answer // 422: Flask-JWT-Extended
    if (this.#tokens === sent) await (this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = null)))
    return this.#send(url, init)
  }

  async signOut() {
    const refresh_token = this.#tokens?.refresh_token
    this.#tokens = null // whatever the server says
    if (refresh_token) await this.#post('/account/logout', { client_id: this.#client, refresh_token })
  }

  #send(url, init) {
    const headers = new Headers(init.headers)
    if (this.#tokens) headers.set('Authorization', `Bearer ${this.#tokens.access_token}`)
    return fetch(url, { ...init, headers })
  }

  async #refresh() {
    const old = this.#tokens
    const form = { grant_type: 'refresh_token', client_id: this.#client, refresh_token: old.refresh_token }
    let next = null
    try {
      next = await this.#post('/oauth2/token', new URLSearchParams(form))
    } catch (error) {
      if (error.cause?.error !== 'invalid_grant') throw error // else the sign-in has ended
    }
    if (this.#tokens === old) this.#tokens = next // unless signOut was called meanwhile
  }

  // An object goes as JSON, URLSearchParams as a form.
  async #post(path, body) {
    const json = !(body instanceof URLSearchParams)
    const answer = await fetch(this.#issuer + path, {
      method: 'POST',
      headers: json ? { 'Content-Type': 'application/json' } : {},
      body: json ? JSON.stringify(body) : body,
    })
    const result = await answer.json().catch(() => ({}))
    if (!answer.ok) throw new Error(result.error_description ?? `status ${answer.status}`, { cause: result })
    return result
  }
}
