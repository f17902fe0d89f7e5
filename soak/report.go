package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
)

// report is what a part found.
type report struct {
	part      part
	load      *load
	keys      []listedKey // those that signed, in their order
	bits      map[string]int
	rotations int // while tokens were issued
}

func newReport(ctx context.Context, p part, c *cluster, l *load) (*report, error) {
	r := &report{part: p, load: l}
	opened, err := c.keys(ctx)
	if err != nil {
		return nil, err
	}
	if r.bits, err = publishedBits(ctx, c); err != nil {
		return nil, err
	}
	for _, k := range opened {
		if k.SignsFrom.After(l.start) {
			r.rotations++
		}
		if l.pool.byKID[k.KID] > 0 {
			r.keys = append(r.keys, k)
		}
	}
	return r, nil
}

// publishedBits is the length of each key in the JWKS.
func publishedBits(ctx context.Context, c *cluster) (map[string]int, error) {
	doc, err := get(ctx, c.issuer+jwksPath+"?for=report")
	if err != nil {
		return nil, err
	}
	var set struct{ Keys []struct{ KID, N string } }
	if err := json.Unmarshal(doc, &set); err != nil {
		return nil, err
	}
	bits := make(map[string]int)
	for _, k := range set.Keys {
		n, err := base64.RawURLEncoding.DecodeString(k.N)
		if err != nil {
			return nil, err
		}
		bits[k.KID] = 8 * len(n) // the top bit of a modulus is set
	}
	return bits, nil
}

// print returns the number of faults, each of which has its line.
func (r *report) print(out io.Writer) int {
	fmt.Fprintf(out, "\n== %s: %s\n\n", r.part.name, r.part.about)
	fmt.Fprintf(out, "in %s, rotations: %d, tokens: %d\n\n", r.part.length, r.rotations, r.load.pool.count())
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "key\tbits\tsigns from\ttokens")
	for _, k := range r.keys {
		from := max(0, k.SignsFrom.Sub(r.load.start))
		fmt.Fprintf(w, "%.8s\t%d\t%.1f s\t%d\n", k.KID, r.bits[k.KID], from.Seconds(), r.load.pool.byKID[k.KID])
	}
	fmt.Fprintln(w, "\nverifier\tversion\tverifications\ttokens\tkeys\toldest token\tJWKS fetches\tslowest\tfailures")
	for _, t := range r.load.tallies {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%.1f s\t%d\t%d ms\t%d\n", t.name, t.version, t.verifications, t.tokens,
			len(t.byKID), t.oldest.Seconds(), t.fetches, t.slowest.Milliseconds(), len(t.failures))
	}
	_ = w.Flush() // an error of stdout: nothing reads it any more
	faults := r.faults()
	for _, f := range faults {
		fmt.Fprintln(out, "fault:", f)
	}
	return len(faults)
}

func (r *report) faults() (all []string) {
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if r.rotations < r.part.least || len(r.keys) <= r.part.least {
		add("%d rotations and %d keys that signed, want at least %d and %d", r.rotations, len(r.keys), r.part.least, r.part.least+1)
	}
	if len(r.keys) != len(r.load.pool.byKID) {
		add("tokens of %d keys, but %d of them are in the ring", len(r.load.pool.byKID), len(r.keys))
	}
	for _, bits := range r.part.bits {
		if !slices.ContainsFunc(r.keys, func(k listedKey) bool { return r.bits[k.KID] == bits }) {
			add("no key of %d bits signed", bits)
		}
	}
	for reason, n := range r.load.refused {
		add("%d requests for a token: %s", n, reason)
	}
	for _, t := range r.load.tallies {
		all = append(all, r.faultsOf(t)...)
	}
	return all
}

func (r *report) faultsOf(t *tally) (all []string) {
	add := func(format string, args ...any) { all = append(all, t.name+fmt.Sprintf(format, args...)) }
	if t.died != nil {
		add(" died: %v", t.died)
	}
	if t.tookForged {
		add(" took a token with another signature")
	}
	if t.tokens != r.load.pool.count() {
		add(" saw %d tokens of %d", t.tokens, r.load.pool.count())
	}
	for _, k := range r.keys {
		if t.byKID[k.KID] == 0 {
			add(" verified no token of key %s", k.KID)
		}
	}
	for i, f := range t.failures {
		if i == shownFailures {
			add(" refused %d more", len(t.failures)-i)
			break
		}
		add(" refused a token of key %.8s, %.3f s old, at %.1f s: %s", f.kid, f.age.Seconds(), f.at.Sub(r.load.start).Seconds(),
			strings.ReplaceAll(f.reason, "\n", ": "))
	}
	return all
}

// shownFailures of each verifier are printed, the rest only counted.
const shownFailures = 10

func get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", address, resp.Status)
	}
	return io.ReadAll(resp.Body)
}
