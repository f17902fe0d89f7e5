package authd_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/db"
)

// A family is one row whatever its age: rotations are HOT updates (heap-only tuples), which
// write to no index, and whose dead versions the next rotations of the page take over
// without waiting for vacuum.
func TestFamiliesDoNotGrowWithRotations(t *testing.T) {
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
	// What the row versions of all rotations would take, were no space used again, is 200
	// pages. Sessions of other tests that begin on a busy machine hold dead versions back
	// for moments, each of which costs pages once.
	const bound = 100 * 8192

	m.rotate(families, generations)

	if sizes := m.familySizes(); sizes[0] > bound || sizes[1] > bound {
		t.Errorf("heap and indexes have %d bytes after %d rotations of %d families", sizes, generations*len(families), len(families))
	}
	updates, hot := m.familyUpdates(int64(generations * len(families)))
	if hot < updates*3/4 { // one moves off a page that is full right now; with an index in the way, all do
		t.Errorf("%d of %d rotations were HOT", hot, updates)
	}
}

// rotate makes n generations of each family as the refresh grant does, but for signatures.
func (m *metered) rotate(families []authd.Family, n int) {
	m.t.Helper()
	d := db.New(m.pool)
	for i := range n {
		for _, f := range families {
			r, err := d.BeginRotation(m.t.Context(), f.ID, f.ClientID)
			if err != nil {
				m.t.Fatal(err)
			}
			if err := r.Step(m.t.Context(), "leaf-"+strconv.Itoa(i), r.Family.LeafKID, time.Hour); err != nil {
				m.t.Fatal(err)
			}
		}
	}
}

// familySizes are the bytes of the heap and of all indexes of authd.token_families.
func (m *metered) familySizes() (sizes [2]int64) {
	m.t.Helper()
	err := m.pool.QueryRow(m.t.Context(),
		`select pg_relation_size('authd.token_families'), pg_indexes_size('authd.token_families')`).Scan(&sizes[0], &sizes[1])
	if err != nil {
		m.t.Fatal(err)
	}
	return sizes
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
