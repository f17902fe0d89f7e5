package rs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

// inBubble opens a verifier in fake time, which begins in the year 2000, on an issuer without sockets. change, if not
// nil, comes before.
func inBubble(t *testing.T, change func(*authdtest.Issuer), test func(t *testing.T, v *rs.Verifier, i *authdtest.Issuer)) {
	t.Helper()
	keyAT() // made outside: it takes real time
	synctest.Test(t, func(t *testing.T) {
		i := authdtest.New(t, authdtest.InMemory(testIssuer))
		if change != nil {
			change(i)
		}
		v, err := rs.New(t.Context(), rs.Config{Issuer: i.URL, Audience: testAudience, HTTPClient: i.Client()})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		test(t, v, i)
	})
}

// timedKeys serves keys with a Cache-Control, or fails, and notes when it is asked.
type timedKeys struct {
	cacheControl string
	began        time.Time

	mu      sync.Mutex
	failing bool
	askedAt []time.Duration // since began
}

func (k *timedKeys) serve(w http.ResponseWriter, _ *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.askedAt = append(k.askedAt, time.Since(k.began))
	if k.failing {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Cache-Control", k.cacheControl)
	fmt.Fprint(w, set(jwk("k-at", keyAT())))
}

// after returns how often keys were asked for when d has passed, and makes them fail from then on, or not.
func (k *timedKeys) after(d time.Duration, failing bool) (asked int) {
	pass(d)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failing = failing
	return len(k.askedAt)
}

// Keys are refreshed as the issuer's max-age says, between a second and an hour, and while that fails every 30 s, or
// as often as max-age says if that is more often.
// P-18, P-19: the issuer says how long keys are kept, within bounds.
func TestUpkeep(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, cacheControl string
		want               time.Duration
	}{
		{"max-age as it is", "public, max-age=300", 300 * time.Second},
		{"max-age in capitals", "Public,MAX-AGE=120", 120 * time.Second},
		{"shortest", "max-age=1", time.Second},
		{"zero", "max-age=0, must-revalidate", 30 * time.Second},
		{"negative", "max-age=-5", 30 * time.Second},
		{"longest", "max-age=31536000", time.Hour},
		{"beyond what a duration can hold", "max-age=9223372036854775807", time.Hour},
		{"none", "", 5 * time.Minute},
		{"no number", "max-age=soon", 5 * time.Minute},
		{"another directive", "s-maxage=60", 5 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := &timedKeys{cacheControl: tt.cacheControl}
			begin := func(i *authdtest.Issuer) {
				k.began = time.Now()
				i.Handle(authdtest.JWKSPath, k.serve)
			}
			inBubble(t, begin, func(t *testing.T, _ *rs.Verifier, _ *authdtest.Issuer) {
				before := k.after(tt.want-time.Nanosecond, true)
				refreshed := k.after(time.Nanosecond, false)
				after := k.after(min(30*time.Second, tt.want), false) // the refresh has failed

				if before != 1 || refreshed != 2 || after != 3 {
					t.Errorf("fetches at %v, want them at 0s, %v and 30 s or max-age later", k.askedAt, tt.want)
				}
			})
		})
	}
}

// J-51: of an answer that is too long no more than 1 MiB is read into memory.
func TestLongAnswer(t *testing.T) {
	t.Parallel()
	junk := forge(`{"alg":"RS256","kid":"junk","typ":"at+jwt"}`, "{}", keyEvil())
	inBubble(t, nil, func(t *testing.T, v *rs.Verifier, i *authdtest.Issuer) {
		read := make(chan int, 1)
		i.Handle(authdtest.JWKSPath, func(w http.ResponseWriter, _ *http.Request) {
			n, _ := io.WriteString(w, strings.Repeat(" ", 16<<20)) // without a socket, what is sent is what is read
			read <- n
		})

		if _, err := v.Verify(t.Context(), junk); !errors.Is(err, rs.ErrUnavailable) {
			t.Errorf("got error %v, want ErrUnavailable", err)
		}
		if n := <-read; n > 1<<20+1 {
			t.Errorf("%d bytes read", n)
		}
	})
}

// endless begins an answer and sends nothing until the request is given up.
func endless(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusOK)
	<-r.Context().Done()
}

// J-51: an answer that does not end is given up after 5 s.
// P-24: PyJWT before 2.7 waits for ever.
func TestDrip(t *testing.T) {
	t.Parallel()
	junk := forge(`{"alg":"RS256","kid":"junk","typ":"at+jwt"}`, "{}", keyEvil())
	inBubble(t, nil, func(t *testing.T, v *rs.Verifier, i *authdtest.Issuer) {
		i.Handle(authdtest.JWKSPath, endless)
		asked := time.Now()

		_, err := v.Verify(t.Context(), junk)

		if took := time.Since(asked); took != 5*time.Second || !errors.Is(err, rs.ErrUnavailable) {
			t.Errorf("got error %v after %v, want ErrUnavailable after 5s", err, took)
		}
		if _, err := v.Verify(t.Context(), i.Token()); err != nil { // its key is known
			t.Error(err)
		}
	})
}

// Close ends the refreshing, a fetch under way included; the bubble would report a goroutine that stays.
func TestCloseDuringFetch(t *testing.T) {
	t.Parallel()
	junk := forge(`{"alg":"RS256","kid":"junk","typ":"at+jwt"}`, "{}", keyEvil())
	inBubble(t, nil, func(t *testing.T, v *rs.Verifier, i *authdtest.Issuer) {
		i.Handle(authdtest.JWKSPath, endless)
		refused := make(chan error, 1)
		go func() {
			_, err := v.Verify(context.Background(), junk)
			refused <- err
		}()
		synctest.Wait()

		if err := v.Close(); err != nil {
			t.Error(err)
		}
		if err := <-refused; !errors.Is(err, rs.ErrUnavailable) {
			t.Errorf("got error %v, want ErrUnavailable", err)
		}
	})
}
