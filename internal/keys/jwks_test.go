package keys

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/oauth"
)

func parseJWKS(t *testing.T, r *Rings) []map[string]any {
	t.Helper()
	doc, err := r.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct{ Keys []map[string]any }
	if err := json.Unmarshal(doc.Body, &parsed); err != nil {
		t.Fatal(err)
	}
	return parsed.Keys
}

func kidsOf(t *testing.T, r *Rings) []string {
	t.Helper()
	var kids []string
	for _, k := range parseJWKS(t, r) {
		kids = append(kids, k["kid"].(string))
	}
	return kids
}

func TestJWKSHasPublicMembersOnly(t *testing.T) {
	t.Parallel()
	r := newWorld(t).rings()

	for _, k := range parseJWKS(t, r) {
		var members []string
		for name := range k {
			members = append(members, name)
		}
		slices.Sort(members)
		if diff := cmp.Diff([]string{"alg", "e", "kid", "kty", "n", "use"}, members); diff != "" { // K-01
			t.Error(diff)
		}
		if k["kty"] != "RSA" || k["alg"] != "RS256" || k["use"] != "sig" || k["e"] != "AQAB" {
			t.Errorf("got %v", k)
		}
	}
}

func TestJWKSNeverHasTheRefreshRing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	doc, err := r.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range w.keys(oauth.RefreshRing) { // K-02
		if strings.Contains(string(doc.Body), k.KID) {
			t.Errorf("key %s of the refresh ring is published", k.KID)
		}
	}
}

func TestJWKSOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	mustRotate(t, r, oauth.AccessRing, true)
	mustRotate(t, r, oauth.AccessRing, true)
	k := w.keys(oauth.AccessRing)

	// Some verifiers take the first key and no other.
	want := []string{k[2].KID, k[3].KID, k[1].KID, k[0].KID}
	if diff := cmp.Diff(want, kidsOf(t, r)); diff != "" {
		t.Error(diff)
	}
}

func TestJWKSMaxAgeEndsWithTheFirstKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	mustRotate(t, r, oauth.AccessRing, false)
	closed := w.keys(oauth.AccessRing)[0]
	for _, tt := range []struct {
		name   string
		before time.Duration // the end of the closed key
		want   time.Duration
	}{
		{"long before", time.Hour, 5 * time.Minute},
		{"six minutes before", 6 * time.Minute, 5 * time.Minute},
		{"two minutes and a half second before", 2*time.Minute + 500*time.Millisecond, 2 * time.Minute},
		{"at the end", 0, 0},
		{"after the end, before the next poll", -time.Minute, 0},
	} {
		s := *r.snapshot.Load()
		s.readAt, s.dbNow = r.cfg.Now(), closed.PublishedUntil.Add(-tt.before)
		r.cfg.Now = func() time.Time { return s.readAt }
		r.snapshot.Store(&s)
		doc, err := r.JWKS()
		if err != nil {
			t.Fatal(err)
		}
		if doc.MaxAge != tt.want {
			t.Errorf("%s: max-age %s, want %s", tt.name, doc.MaxAge, tt.want)
		}
	}
}

func TestJWKSETag(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.rings(), w.rings()
	etag := func(r *Rings) string {
		doc, err := r.JWKS()
		if err != nil {
			t.Fatal(err)
		}
		return doc.ETag
	}
	first := etag(a)
	if first[0] != '"' || first != etag(b) {
		t.Errorf("two replicas have the entity tags %s and %s", first, etag(b))
	}
	mustPoll(t, a)
	if etag(a) != first {
		t.Error("entity tag changed without a change")
	}
	mustRotate(t, a, oauth.AccessRing, false)
	if etag(a) == first {
		t.Error("entity tag did not change with a rotation")
	}
}
