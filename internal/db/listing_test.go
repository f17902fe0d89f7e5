package db_test

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
)

var (
	laptop = oauth.NewDevice(netip.MustParseAddr("192.0.2.7"), "laptop")
	phone  = oauth.NewDevice(netip.MustParseAddr("2001:db8::7"), "phone")
)

// onlyFamily is the one family that is alive.
func onlyFamily(t *testing.T, d *db.DB) oauth.ListedFamily {
	t.Helper()
	list, err := d.Families(t.Context(), db.FamilyFilter{Limit: 10})
	if err != nil || len(list) != 1 {
		t.Fatalf("got %+v, %v; want one family", list, err)
	}
	return list[0]
}

// rotation locks the family of setup.
func rotation(t *testing.T, d *db.DB) *db.Rotation {
	t.Helper()
	r, err := d.BeginRotation(t.Context(), familyID, "shop", "")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The first use stays, the last one is that of the newest rotation, and of nothing else.
func TestFirstAndLastUse(t *testing.T) {
	t.Parallel()
	d := db.New(dbtest.New(t))
	newClient(t, d, "shop")
	n := family(familyID)
	n.Device = laptop
	if _, _, err := d.InsertFamily(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name string
		do   func(r *db.Rotation) error
		want oauth.Device
	}{
		{"the sign-in is the last use until there is another", nil, laptop},
		{"a rotation is", func(r *db.Rotation) error { return r.Step(t.Context(), "leaf-1", "key-1", time.Hour, phone) }, phone},
		{"a retry in the grace window changes nothing", func(r *db.Rotation) error { return r.Replay(t.Context()) }, phone},
		{
			"a rotation without an address clears it",
			func(r *db.Rotation) error {
				return r.Step(t.Context(), "leaf-2", "key-1", time.Hour, oauth.Device{UserAgent: "phone"})
			},
			oauth.Device{UserAgent: "phone"},
		},
		{
			"where nothing is kept, no older use stays",
			func(r *db.Rotation) error { return r.Step(t.Context(), "leaf-3", "key-1", time.Hour, oauth.Device{}) },
			oauth.Device{},
		},
	}
	for _, tt := range steps {
		if tt.do != nil {
			if err := tt.do(rotation(t, d)); err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
		}

		if got := onlyFamily(t, d); got.First != laptop || got.Last != tt.want {
			t.Errorf("%s: got first %+v, last %+v; want last %+v", tt.name, got.First, got.Last, tt.want)
		}
	}
}

// D-04: what an epoch has ended is not listed as alive, although its row does not know.
func TestFamiliesListsTheLiving(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		end  func(t *testing.T, d *db.DB) error
		want int
	}{
		{"nothing happened", func(*testing.T, *db.DB) error { return nil }, 1},
		{"the subject was ended", func(t *testing.T, d *db.DB) error {
			_, err := d.EndSubject(t.Context(), "usr_ada")
			return err
		}, 0},
		{"the client was ended", func(t *testing.T, d *db.DB) error { return d.EndClient(t.Context(), "shop") }, 0},
		{"the client was deleted", func(t *testing.T, d *db.DB) error { return d.DeleteClient(t.Context(), "shop") }, 0},
		{"the family was revoked", func(t *testing.T, d *db.DB) error {
			_, err := d.RevokeFamily(t.Context(), familyID, "", "x")
			return err
		}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, d := setup(t)
			if err := tt.end(t, d); err != nil {
				t.Fatal(err)
			}

			alive, err := d.Families(t.Context(), db.FamilyFilter{Subject: "usr_ada", Limit: 10})
			if err != nil || len(alive) != tt.want {
				t.Errorf("alive: got %d, %v; want %d", len(alive), err, tt.want)
			}
			all, err := d.Families(t.Context(), db.FamilyFilter{Subject: "usr_ada", Dead: true, Limit: 10})
			if err != nil || len(all) != 1 {
				t.Errorf("with the dead: got %d, %v; want 1", len(all), err)
			}
		})
	}
}

func TestRevokeFamilyOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, subject, id string
		want              error
	}{
		{"one's own", "usr_ada", familyID, nil},
		{"somebody else's", "usr_eve", familyID, db.ErrNotFound},
		{"nobody ends nobody's", "", familyID, db.ErrNotFound},
		{"an unknown one", "usr_ada", "00000000-0000-4000-8000-000000000000", db.ErrNotFound},
		{"what is no identifier", "usr_ada", "bogus", db.ErrNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, d := setup(t)

			rev, err := d.RevokeFamilyOf(t.Context(), tt.subject, tt.id, "x")

			if !errors.Is(err, tt.want) || rev.Ended != (tt.want == nil) {
				t.Errorf("got %+v, %v; want %v", rev, err, tt.want)
			}
			list, err := d.Families(t.Context(), db.FamilyFilter{Limit: 10})
			if alive := tt.want != nil; err != nil || (len(list) == 1) != alive {
				t.Errorf("then alive: %+v, %v", list, err)
			}
			if again, err := d.RevokeFamilyOf(t.Context(), tt.subject, tt.id, "y"); again.Ended || !errors.Is(err, tt.want) {
				t.Errorf("a second time: got %+v, %v", again, err)
			}
		})
	}
}

// Many devices may end the others at once: each family is reported ended by one call, none is
// locked in a circle, and other people's live on.
func TestRevokeOtherFamiliesConcurrently(t *testing.T) {
	t.Parallel()
	pool, d := setup(t)
	_, err := pool.Exec(t.Context(), `
insert into authd.token_families (id, client_id, subject, scope, auth_time, leaf_jti, leaf_kid, leaf_iat, leaf_exp, absolute_exp, user_epoch, client_epoch)
select gen_random_uuid(), 'shop', case when i <= 200 then 'usr_ada' else 'usr_eve' end, '{}', now(), 'leaf-' || i, 'key-1', now(),
  now() + interval '1 hour', now() + interval '1 day', 0, 0
from generate_series(1, 210) i`)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	ended := make(map[string]int)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			revs, err := d.RevokeOtherFamilies(t.Context(), "usr_ada", familyID, "x")
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, rev := range revs {
				ended[rev.FamilyID]++
			}
		})
	}
	wg.Wait()

	if len(ended) != 200 {
		t.Errorf("%d families were ended, want 200", len(ended))
	}
	for id, n := range ended {
		if n != 1 {
			t.Errorf("family %s was ended by %d calls", id, n)
		}
	}
	alive := make(map[string]int)
	list, err := d.Families(t.Context(), db.FamilyFilter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		alive[f.Subject]++
	}
	if diff := cmp.Diff(map[string]int{"usr_ada": 1, "usr_eve": 10}, alive); diff != "" {
		t.Errorf("alive: -want +got\n%s", diff)
	}
}

// F-12: whoever holds one of the families delays the call for as long as a rotation.
func TestRevokingOwnGivesUpOnAHeldLock(t *testing.T) {
	t.Parallel()
	pool, d := setup(t)
	holder, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Rollback(t.Context()) }()
	if _, err := holder.Exec(t.Context(), `select from authd.token_families for update`); err != nil {
		t.Fatal(err)
	}

	_, one := d.RevokeFamilyOf(t.Context(), "usr_ada", familyID, "x")
	_, others := d.RevokeOtherFamilies(t.Context(), "usr_ada", "00000000-0000-4000-8000-000000000000", "x")

	if !errors.Is(one, db.ErrLocked) || !errors.Is(others, db.ErrLocked) {
		t.Errorf("got %v and %v, want ErrLocked", one, others)
	}
}

// As TestRevokingAgainIsACommit: what is told once more is durable, too.
func TestRevokingOwnAgainIsACommit(t *testing.T) {
	t.Parallel()
	const other, third = "6f1a2f60-93b5-4b8e-9a3f-1c8d3a5d7c11", "6f1a2f60-93b5-4b8e-9a3f-1c8d3a5d7c12"
	pool, d := setup(t)
	for _, id := range []string{other, third} {
		if _, _, err := d.InsertFamily(t.Context(), family(id)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, locked string
		revoke       func() (bool, error)
	}{
		{"one family", other, func() (bool, error) {
			rev, err := d.RevokeFamilyOf(t.Context(), "usr_ada", other, "x")
			return rev.Ended, err
		}},
		{"all others", familyID, func() (bool, error) {
			revs, err := d.RevokeOtherFamilies(t.Context(), "usr_ada", familyID, "x")
			return len(revs) > 0, err
		}},
	} {
		var lockers []string
		for _, first := range []bool{true, false} {
			ended, err := tt.revoke()
			if err != nil || ended != first {
				t.Errorf("%s: ended %v, %v, want %v", tt.name, ended, err, first)
			}
			var locker string
			if err := pool.QueryRow(t.Context(), `select xmax::text from authd.token_families where id = $1`, tt.locked).Scan(&locker); err != nil {
				t.Fatal(err)
			}
			lockers = append(lockers, locker)
		}
		if lockers[0] == lockers[1] {
			t.Errorf("%s: the second call took no lock, so that its commit waits for nothing", tt.name)
		}
	}
}
