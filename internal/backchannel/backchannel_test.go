package backchannel_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/backchannel"
	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
)

// OIDC Back-Channel Logout §2.5, §2.8: 200 and 204 are success; all else is tried again.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for status, ok := range map[int]bool{200: true, 204: true, 201: false, 202: false, 302: false, 400: false, 404: false, 500: false, 503: false} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			register(t, pool, "shop")
			s := serve(t, pool, func(_ context.Context, uri, token string) (int, error) {
				if uri != "https://shop.example/ended" || token != "shop ada "+family("1") {
					t.Errorf("%q was sent to %q", token, uri)
				}
				return status, nil
			})
			notice(t, pool, "shop", "1")

			s.hint.Give()

			if ok {
				s.want(delivered("shop", "1", 1))
				await(t, pool, noNotices)
				return
			}
			await(t, pool, `attempts = 1 and next_at <= authd.clock() + interval '5 seconds' from authd.logout_notices`)
		})
	}
}

// A client that is away is told when it is back: not before the time of the next attempt, and
// then by a sweep, without a hint.
func TestClientThatWasAway(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	register(t, pool, "shop", "blog")
	var mu sync.Mutex
	away, posts := true, 0
	s := serve(t, pool, func(_ context.Context, _, token string) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		if token[:4] == "blog" {
			return 200, nil
		}
		posts++
		if away {
			return 0, errors.New("connection refused")
		}
		return 200, nil
	})
	notice(t, pool, "shop", "1")
	s.hint.Give()
	await(t, pool, `attempts = 1 and next_at <= authd.clock() + interval '5 seconds' from authd.logout_notices`)
	mu.Lock()
	away = false
	mu.Unlock()

	exec(t, pool, `update authd.logout_notices set next_at = authd.clock() + interval '1 hour'`)
	s.sweep <- time.Now()
	notice(t, pool, "blog", "2")
	s.sweep <- time.Now()
	s.want(delivered("blog", "2", 1))
	dbtest.SetClock(t, pool, time.Hour+time.Second)
	exec(t, pool, `update authd.logout_notices set expires_at = expires_at + interval '2 hours'`)
	s.sweepUntil()

	s.want(delivered("shop", "1", 2))
	if posts != 2 {
		t.Errorf("%d posts, want 2", posts)
	}
}

// A notice is given up after an hour, but never without an attempt: servers may have been away,
// too.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		late time.Duration
		want backchannel.Event // nil: it is tried again
	}{
		{"early", 0, nil},
		{"when the next attempt would be late", 59*time.Minute + 58*time.Second, backchannel.GivenUp{ClientID: "shop", Subject: "ada", FamilyID: family("1"), Attempts: 1}},
		{"a day late: after the attempt", 24 * time.Hour, backchannel.GivenUp{ClientID: "shop", Subject: "ada", FamilyID: family("1"), Attempts: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			register(t, pool, "shop")
			notice(t, pool, "shop", "1")
			dbtest.SetClock(t, pool, tt.late)

			s := serve(t, pool, answer(500))

			if tt.want == nil {
				await(t, pool, `attempts = 1 and next_at <= authd.clock() + interval '5 seconds' from authd.logout_notices`)
				return
			}
			s.want(tt.want)
			await(t, pool, noNotices)
		})
	}
	pool := dbtest.New(t)
	register(t, pool, "shop")
	notice(t, pool, "shop", "1")
	dbtest.SetClock(t, pool, 24*time.Hour)
	serve(t, pool, answer(200)).want(delivered("shop", "1", 1))
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	total := time.Duration(0)
	for attempts, want := range map[int]time.Duration{
		1: 5 * time.Second, 2: 10 * time.Second, 6: 160 * time.Second, 7: 5 * time.Minute, 8: 5 * time.Minute, 1 << 20: 5 * time.Minute,
	} {
		if got := backchannel.Backoff(attempts); got != want {
			t.Errorf("after %d attempts %s, want %s", attempts, got, want)
		}
	}
	for attempts := 1; attempts <= 16; attempts++ {
		total += backchannel.Backoff(attempts)
	}
	if total > time.Hour {
		t.Errorf("17 attempts take %s", total)
	}
}

// One client that does not answer holds up nobody, and no connection to the database: with one
// connection in the pool, the others are told meanwhile.
func TestSlowClientHoldsUpNobody(t *testing.T) {
	t.Parallel()
	pool := oneConnection(t)
	register(t, pool, "slow", "shop")
	began, answered := make(chan struct{}, 10), make(chan struct{})
	s := serve(t, pool, func(_ context.Context, uri, _ string) (int, error) {
		if uri == "https://slow.example/ended" {
			began <- struct{}{}
			<-answered
		}
		return 200, nil
	})
	notice(t, pool, "slow", "1")
	s.hint.Give()
	<-began
	notice(t, pool, "slow", "2")

	for _, n := range []string{"3", "4", "5"} {
		notice(t, pool, "shop", n)
		s.hint.Give()
		s.want(delivered("shop", n, 1))
	}
	if got := count(t, pool, `client_id = 'slow' and attempts > 0`); got != 1 {
		t.Errorf("the slow client is told %d things at once", got)
	}

	close(answered)
	s.want(delivered("slow", "1", 1))
	s.want(delivered("slow", "2", 1))
}

// oneConnection is a pool in which nobody may keep one.
func oneConnection(t *testing.T) *pgxpool.Pool {
	t.Helper()
	cfg := dbtest.New(t).Config()
	cfg.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// A client that fails has peace until the next sweep, however much there is to tell it and
// however many sessions end meanwhile.
func TestFailingClientHasPeace(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	register(t, pool, "down", "shop")
	failures := make(chan struct{}, 100)
	s := serve(t, pool, func(_ context.Context, uri, _ string) (int, error) {
		if uri == "https://down.example/ended" {
			failures <- struct{}{}
			return 500, nil
		}
		return 200, nil
	})
	for _, n := range []string{"1", "2", "3"} {
		notice(t, pool, "down", n)
	}
	s.hint.Give()
	<-failures
	await(t, pool, `count(*) = 1 from authd.logout_notices where attempts = 1 and next_at < authd.clock() + interval '10 seconds'`)

	for _, n := range []string{"4", "5", "6"} {
		notice(t, pool, "shop", n)
		s.hint.Give()
		s.want(delivered("shop", n, 1))
	}
	if n := len(failures); n != 0 {
		t.Errorf("%d more attempts before the sweep", n)
	}
	exec(t, pool, `delete from authd.logout_notices where attempts > 0`)
	for len(failures) == 0 {
		s.sweep <- time.Now()
	}
}

// Bounded parallelism: the clients that are too many wait for a place, and are told then.
func TestPlacesAreBounded(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	const n = backchannel.MaxClients + 8
	for i := range n {
		id := fmt.Sprintf("client%d", i)
		register(t, pool, id)
		notice(t, pool, id, "1")
	}
	began, leave := make(chan struct{}, n), make(chan struct{})
	s := serve(t, pool, func(context.Context, string, string) (int, error) {
		began <- struct{}{}
		<-leave
		return 200, nil
	})
	for range backchannel.MaxClients {
		<-began
	}

	for range 50 { // whoever were one too many would be at it by then
		s.sweep <- time.Now()
	}

	if got := count(t, pool, `attempts > 0`); got != backchannel.MaxClients {
		t.Errorf("%d at once, want %d", got, backchannel.MaxClients)
	}
	close(leave)
	for range n {
		s.event()
	}
}

// Whoever was not given a place comes first the next time.
func TestPlacesGoRound(t *testing.T) {
	t.Parallel()
	for last, want := range map[string]string{"": "a b c", "a": "b c a", "b": "c a b", "bb": "c a b", "c": "a b c", "d": "a b c"} {
		if got := strings.Join(backchannel.After(last, []string{"c", "a", "b"}), " "); got != want {
			t.Errorf("after %q: %s, want %s", last, got, want)
		}
	}
	if got := backchannel.After("a", nil); len(got) != 0 {
		t.Errorf("of none: %v", got)
	}
}

// However many servers there are, a notice is delivered by one.
func TestServersShareTheNotices(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	const clients, each, servers = 6, 5, 4
	for c := range clients {
		id := fmt.Sprintf("client%d", c)
		register(t, pool, id)
		for n := range each {
			notice(t, pool, id, fmt.Sprint(n))
		}
	}
	var mu sync.Mutex
	posts := make(map[string]int)
	events := make(chan backchannel.Event, clients*each*servers)
	for range servers {
		s := serve(t, pool, func(_ context.Context, _, token string) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			posts[token]++
			return 200, nil
		})
		go func() {
			for {
				select {
				case e := <-s.events:
					events <- e
				case <-t.Context().Done():
					return
				}
			}
		}()
		s.hint.Give()
	}

	for range clients * each {
		<-events
	}

	await(t, pool, noNotices)
	mu.Lock()
	defer mu.Unlock()
	for token, n := range posts {
		if n != 1 {
			t.Errorf("%s was sent %d times", token, n)
		}
	}
	if len(posts) != clients*each {
		t.Errorf("%d tokens, want %d", len(posts), clients*each)
	}
}

// Servers may die: before the first attempt, and in the middle of one. Another then does it,
// no sooner than the claim is over.
func TestServersThatDie(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	register(t, pool, "shop")
	notice(t, pool, "shop", "1") // nobody was there to be given a hint
	notice(t, pool, "shop", "2")
	exec(t, pool, `update authd.logout_notices set next_at = next_at - interval '1 second' where family_id = $1`, family("1"))
	if n, err := db.New(pool).ClaimNotice(t.Context(), "shop"); err != nil || n.FamilyID != family("1") {
		t.Fatalf("claimed %+v, %v", n, err)
	}

	s := serve(t, pool, answer(200))
	s.want(delivered("shop", "2", 1))
	dbtest.SetClock(t, pool, 31*time.Second)
	s.sweep <- time.Now()

	s.want(delivered("shop", "1", 2))
}

// A shutdown does not wait for a client, and leaves its notice to whoever comes next, at once.
func TestShutdown(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	register(t, pool, "slow")
	notice(t, pool, "slow", "1")
	began := make(chan struct{})
	s := serve(t, pool, func(ctx context.Context, _, _ string) (int, error) {
		close(began)
		<-ctx.Done()
		return 0, ctx.Err()
	})
	<-began

	s.stop()

	if count(t, pool, `attempts = 1 and next_at <= authd.clock()`) != 1 {
		t.Error("the notice is not due")
	}
	serve(t, pool, answer(204)).want(delivered("slow", "1", 2))
}

// What a client does not want to hear any more is not told, and not kept.
func TestClientThatWantsNothingAnyMore(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"its URI is gone":  `update authd.clients set backchannel_logout_uri = ''`,
		"the row is gone":  `delete from authd.clients`,
		"it is deleted":    `update authd.clients set deleted_at = authd.clock()`,
		"it has moved":     `update authd.clients set backchannel_logout_uri = 'https://moved.example/'`,
		"it is disabled":   `update authd.clients set disabled_at = authd.clock()`,
		"nothing happened": `select`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			register(t, pool, "shop")
			notice(t, pool, "shop", "1")
			exec(t, pool, change)
			posted := make(chan string, 10)
			s := serve(t, pool, func(_ context.Context, uri, _ string) (int, error) {
				posted <- uri
				return 200, nil
			})

			await(t, pool, noNotices)

			s.stop()
			got, want := "", map[string]string{
				"it has moved": "https://moved.example/", "it is disabled": "https://shop.example/ended", "nothing happened": "https://shop.example/ended",
			}[name]
			if len(posted) > 0 {
				got = <-posted
			}
			if got != want || len(s.events) != len(want)/max(1, len(want)) {
				t.Errorf("told at %q, want %q; %d events", got, want, len(s.events))
			}
		})
	}
}
