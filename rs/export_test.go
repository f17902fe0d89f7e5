package rs

// SeenTurn is how long a token is remembered at least that is not used.
const SeenTurn = seenTurn

// Remembers says whether v will verify raw without its signature.
func (v *Verifier) Remembers(raw string) bool { return v.seen.has(raw) }

// Remembered counts the tokens that v has seen.
func (v *Verifier) Remembered() int {
	v.seen.mu.RLock()
	defer v.seen.mu.RUnlock()
	return len(v.seen.young) + len(v.seen.old)
}

// Forget makes v see each token for the first time again.
func (v *Verifier) Forget() {
	v.seen.mu.Lock()
	defer v.seen.mu.Unlock()
	clear(v.seen.young)
	clear(v.seen.old)
	v.seen.size = 0
}
