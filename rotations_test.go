package authd_test

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// A family is one row whatever its age: rotations are HOT updates (heap-only tuples), which
// write to no index. How far the heap grows in between is not asserted: dead versions stay
// as long as any transaction of the server is older, and other tests run on it.
func TestRotationsWriteToNoIndex(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	for range 4 {
		m.signIn()
	}
	families, err := m.srv.Families(t.Context(), authd.FamilyFilter{})
	if err != nil {
		t.Fatal(err)
	}
	const generations = 750 // of each family
	before := m.indexBytes()

	m.rotate(families, generations)

	m.keeps(strings.Repeat("9", oauth.MaxUserAgent))
	// A version that finds its page full moves, and needs entries: a few of hundreds do.
	if after := m.indexBytes(); after > 2*before {
		t.Errorf("indexes grew from %d to %d bytes in %d rotations of %d families", before, after, generations*len(families), len(families))
	}
	updates, hot := m.familyUpdates(int64(generations * len(families)))
	t.Logf("%d of %d rotations were HOT; indexes grew from %d to %d bytes", hot, updates, before, m.indexBytes())
	// By itself all are. Where nothing can be removed meanwhile, each of the families moves off
	// a page that is full, after eleven versions; with an index in the way, all do each time.
	if hot < updates/2 {
		t.Errorf("%d of %d rotations were HOT", hot, updates)
	}
}

// rotate makes n generations of each family as the refresh grant does, but for signatures,
// each from another address and with the longest user agent that is kept.
func (m *metered) rotate(families []authd.Family, n int) {
	m.t.Helper()
	d := db.New(m.pool)
	for i := range n {
		from := oauth.NewDevice(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), strings.Repeat(strconv.Itoa(i%10), oauth.MaxUserAgent))
		for _, f := range families {
			r, err := d.BeginRotation(m.t.Context(), f.ID, f.ClientID, "")
			if err != nil {
				m.t.Fatal(err)
			}
			if err := r.Step(m.t.Context(), "leaf-"+strconv.FormatInt(r.Family.Generation, 10), r.Family.LeafKID, time.Hour, from); err != nil {
				m.t.Fatal(err)
			}
		}
	}
}

// keeps fails unless each family's last use was by this user agent.
func (m *metered) keeps(userAgent string) {
	m.t.Helper()
	families, err := m.srv.Families(m.t.Context(), authd.FamilyFilter{})
	if err != nil {
		m.t.Fatal(err)
	}
	for _, f := range families {
		if f.Last.UserAgent != userAgent || f.First.UserAgent != "budget/1.0" {
			m.t.Errorf("family %s is kept as first %+v, last %+v", f.ID, f.First, f.Last)
		}
	}
}

// indexBytes are those of all indexes of authd.token_families.
func (m *metered) indexBytes() (n int64) {
	m.t.Helper()
	if err := m.pool.QueryRow(m.t.Context(), `select pg_indexes_size('authd.token_families')`).Scan(&n); err != nil {
		m.t.Fatal(err)
	}
	return n
}

// familyUpdates waits until the statistics, which come late, know of n updates.
func (m *metered) familyUpdates(n int64) (updates, hot int64) {
	m.t.Helper()
	for updates < n {
		err := m.pool.QueryRow(m.t.Context(), `
select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relid = 'authd.token_families'::regclass`).Scan(&updates, &hot)
		if err != nil {
			m.t.Fatal(err)
		}
	}
	return updates, hot
}
