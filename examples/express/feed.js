// What was revoked, by authd's revocation feed: no request costs a question.
const KINDS = ['sid', 'jti', 'sub', 'client_id', 'kid'] // kid is in the token's header

export class Feed {
  #url
  #basic
  #entries = new Map()
  #cursor = ''
  #heard = 0

  // A wrong secret shows at the start.
  static async follow(url, id, secret) {
    const feed = new Feed()
    feed.#url = url
    feed.#basic = 'Basic ' + Buffer.from([id, secret].map(encodeURIComponent).join(':')).toString('base64')
    await feed.#ask()
    feed.#followOn()
    return feed
  }

  // Whether anything was heard within a minute.
  isCurrent() {
    return performance.now() < this.#heard + 60_000
  }

  revoked(header, claims) {
    return KINDS.some((kind) => {
      const mark = this.#entries.get(`${kind} ${kind === 'kid' ? header.kid : claims[kind]}`)
      return mark && claims.iat < mark.before
    })
  }

  async #followOn() {
    for (;;) {
      await this.#ask().catch((error) => console.error('no news:', error.message))
      await new Promise((resolve) => setTimeout(resolve, 1000))
    }
  }

  async #ask() {
    const sent = performance.now()
    const answer = await fetch(this.#cursor ? `${this.#url}?after=${encodeURIComponent(this.#cursor)}` : this.#url, {
      headers: { Authorization: this.#basic, Prefer: 'wait=20' }, // for news, which comes at once
      signal: AbortSignal.timeout(25_000),
    })
    if (!answer.ok) throw new Error(`status ${answer.status}`)
    const news = await answer.json()
    const alive = Date.now() / 1000 - 60
    const kept = new Map(news.reset ? [] : [...this.#entries].filter(([, mark]) => mark.exp > alive))
    for (const entry of news.revoked) {
      for (const kind of KINDS.filter((kind) => kind in entry)) {
        const key = `${kind} ${entry[kind]}`
        const old = kept.get(key) ?? { before: 0, exp: 0 }
        const before = entry.before ?? Infinity // all, or tokens of before that time
        kept.set(key, { before: Math.max(old.before, before), exp: Math.max(old.exp, entry.exp) })
      }
    }
    this.#entries = kept
    this.#cursor = news.next
    this.#heard = sent
  }
}
