package rs_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-authd/authd/rs"
)

func acceptStale(c *rs.FeedConfig, _ *feedNet) { c.OnStale = rs.Accept }

// Staleness is the time since the question was sent that has the latest good answer: one that waits has none.
func TestFeedStaleness(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		maxStaleness, wait time.Duration
	}{
		{30 * time.Second, 25 * time.Second},
		{10 * time.Second, 5 * time.Second}, // so that there is time for an answer before the bound
		{time.Hour, 25 * time.Second},       // news may be lost with its connection: none waits for an hour
	} {
		t.Run(tt.maxStaleness.String(), func(t *testing.T) {
			t.Parallel()
			inFeedBubble(t, func(c *rs.FeedConfig, _ *feedNet) { c.MaxStaleness = tt.maxStaleness },
				func(t *testing.T, f *rs.Feed, n *feedNet, log *logBuffer) {
					wantStaleness := func(least, most time.Duration) {
						t.Helper()
						if got := f.Staleness(); got < least || got > most {
							t.Errorf("staleness is %v, want %v to %v", got, least, most)
						}
					}
					wantStaleness(0, 0)
					pass(tt.wait - time.Second)
					wantStaleness(tt.wait-time.Second, tt.wait-time.Second) // although news would have come
					pass(time.Second)
					wantStaleness(tt.wait, tt.wait) // the answer says what was true when the question came
					pass(750 * time.Millisecond)
					wantStaleness(0, 500*time.Millisecond) // asked without waiting
					var worst time.Duration
					for range 1000 {
						pass(time.Second / 4)
						worst = max(worst, f.Staleness())
						wantVerdict(t, f, living(), "accepted")
					}
					if worst > tt.wait+750*time.Millisecond || log.String() != "" {
						t.Errorf("staleness up to %v, log is %q", worst, log)
					}
					want := fmt.Sprintf("wait=%d", tt.wait/time.Second)
					if got := n.questions()[1].prefer; got != want {
						t.Errorf("Prefer: %s, want %s", got, want)
					}
				})
		})
	}
}

// Silence is good news for MaxStaleness and not a moment longer, if the host chose to refuse then. The bound is the
// issuer's word's age, whatever the question is doing that is under way.
func TestFeedBoundedStaleness(t *testing.T) {
	t.Parallel()
	outages := map[string]func(*http.Request) (*http.Response, error){
		"the issuer cannot be reached":       func(*http.Request) (*http.Response, error) { return nil, errUnplugged },
		"the issuer does not answer":         func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() },
		"the answer does not end":            dripping,
		"the issuer's storage is down":       func(*http.Request) (*http.Response, error) { return reply(503, "{}", "Retry-After", "1"), nil },
		"a proxy answers":                    func(*http.Request) (*http.Response, error) { return reply(200, "<html>"), nil },
		"the secret is not valid any more":   func(*http.Request) (*http.Response, error) { return reply(401, "{}"), nil },
		"the client is no resource server":   func(*http.Request) (*http.Response, error) { return reply(403, "{}"), nil },
		"the feed was turned off":            func(*http.Request) (*http.Response, error) { return reply(404, "{}"), nil },
		"the issuer says that there is more": func(*http.Request) (*http.Response, error) { return reply(204, ""), nil },
	}
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, tt := range []struct {
				change       func(*rs.FeedConfig, *feedNet)
				when30, then string
			}{{nil, "accepted", "unavailable"}, {acceptStale, "accepted", "accepted"}} {
				inFeedBubble(t, tt.change, func(t *testing.T, f *rs.Feed, n *feedNet, _ *logBuffer) {
					n.revoke(entry("sid", "f-old"))
					pass(20 * time.Second) // a question waits since 19.5 s or so
					n.with(outage)
					n.revoke(entry("sid", "f-1")) // answers the one that waits, before the outage
					pass(0)
					since := f.Staleness()
					pass(30*time.Second - since)
					other, old := living(), living()
					other.SessionID, old.SessionID = "f-2", "f-old"

					wantVerdict(t, f, other, tt.when30)
					wantVerdict(t, f, living(), "revoked")
					pass(time.Millisecond)
					wantVerdict(t, f, other, tt.then)
					pass(45 * time.Minute)
					wantVerdict(t, f, other, tt.then)
					wantVerdict(t, f, living(), "revoked") // what was heard counts all the same
					wantVerdict(t, f, old, "revoked")
				})
			}
		})
	}
}

// F-27 for revocations: after an hour without the issuer the feed goes on by itself, here with the whole set of
// another database.
func TestFeedOutageOfAnHour(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*rs.FeedConfig, *feedNet){nil, acceptStale} {
		inFeedBubble(t, change, func(t *testing.T, f *rs.Feed, n *feedNet, log *logBuffer) {
			before := len(n.questions())
			n.unplug()
			pass(time.Hour)
			asked := len(n.questions()) - before
			n.RestoreFeed()
			n.revoke(entry("sid", "f-1"))
			n.answer(200, page("c1", true, entry("sid", "f-1")))
			pass(23 * time.Second)
			n.with(nil)
			pass(8 * time.Second) // the answer above did not wait, so that the next question comes after up to 7.5 s

			wantVerdict(t, f, living(), "revoked")
			other := living()
			other.SessionID = "f-2"
			wantVerdict(t, f, other, "accepted")
			if asked < 3600/23 || asked > 3600/7 {
				t.Errorf("%d questions in an hour, want one in 7.5 s to 22.5 s", asked)
			}
			if !strings.Contains(log.String(), "not heard") || !strings.Contains(log.String(), "heard again") {
				t.Errorf("log tells not both of the outage and its end")
			}
			n.revoke(entry("sid", "f-2"))
			pass(time.Second)
			wantVerdict(t, f, other, "revoked")
		})
	}
}

// A server that restarts answers those who wait at once, and is away for a moment: nothing is lost, nobody notices.
func TestFeedServerRestarts(t *testing.T) {
	t.Parallel()
	inFeedBubble(t, nil, func(t *testing.T, f *rs.Feed, n *feedNet, _ *logBuffer) {
		for round := range 20 {
			pass(10 * time.Second)
			n.unplug()
			n.EndWaits()
			synctest.Wait() // it was answered
			n.revoke(entry("sid", fmt.Sprint("f-", round)))
			pass(time.Second)
			n.with(nil)
			for range 40 {
				pass(time.Second / 10)
				tok := living()
				tok.SessionID = "f-none"
				wantVerdict(t, f, tok, "accepted")
			}
			tok := living()
			tok.SessionID = fmt.Sprint("f-", round)
			wantVerdict(t, f, tok, "revoked")
		}
	})
}

// RFC 9110 §10.2.3: no question before Retry-After, up to a minute; without one, fewer and fewer.
func TestFeedBackoff(t *testing.T) {
	t.Parallel()
	const s = time.Second
	tests := []struct {
		name        string
		header      func() string
		first, last [2]time.Duration // bounds of the first gap and of the tenth
	}{
		{"none: one second, then up to 15, with jitter", func() string { return "" }, [2]time.Duration{s / 2, 3 * s / 2}, [2]time.Duration{15 * s / 2, 45 * s / 2}},
		{"seconds", func() string { return "40" }, [2]time.Duration{40 * s, 42 * s}, [2]time.Duration{40 * s, 42 * s}},
		{"a date", func() string { return time.Now().Add(40 * s).UTC().Format(http.TimeFormat) }, [2]time.Duration{39 * s, 42 * s}, [2]time.Duration{39 * s, 42 * s}},
		{"a date in the past", func() string { return time.Now().Add(-40 * s).UTC().Format(http.TimeFormat) }, [2]time.Duration{s / 2, 3 * s / 2}, [2]time.Duration{15 * s / 2, 45 * s / 2}},
		{"a year is taken for a minute", func() string { return "31536000" }, [2]time.Duration{60 * s, 62 * s}, [2]time.Duration{60 * s, 62 * s}},
		{"more than a duration can hold", func() string { return "2147483647" }, [2]time.Duration{60 * s, 62 * s}, [2]time.Duration{60 * s, 62 * s}},
		{"garbage", func() string { return "-1" }, [2]time.Duration{s / 2, 3 * s / 2}, [2]time.Duration{15 * s / 2, 45 * s / 2}},
	}
	for _, tt := range tests {
		for _, status := range []int{503, 429, 502} {
			t.Run(fmt.Sprint(tt.name, " ", status), func(t *testing.T) {
				t.Parallel()
				inFeedBubble(t, nil, func(t *testing.T, _ *rs.Feed, n *feedNet, _ *logBuffer) {
					n.with(func(*http.Request) (*http.Response, error) {
						return reply(status, "{}", "Retry-After", tt.header()), nil
					})
					pass(20 * time.Minute)
					asked := n.questions()[2:] // without the first and the one that waited
					for i, bounds := range map[int][2]time.Duration{0: tt.first, 9: tt.last} {
						if gap := asked[i+1].at - asked[i].at; gap < bounds[0] || gap > bounds[1] {
							t.Errorf("gap %d is %v, want %v to %v", i, gap, bounds[0], bounds[1])
						}
					}
				})
			})
		}
	}
}

// A question that nobody answers is given up, 10 s after it was asked, or 5 s after its wait was over.
func TestFeedGivesUp(t *testing.T) {
	t.Parallel()
	for name, hangs := range map[string]func(*http.Request) bool{
		"without waiting": func(r *http.Request) bool { return r.Header.Get("Prefer") == "" },
		"waiting":         func(r *http.Request) bool { return r.Header.Get("Prefer") != "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFeedBubble(t, nil, func(t *testing.T, f *rs.Feed, n *feedNet, _ *logBuffer) {
				n.with(func(r *http.Request) (*http.Response, error) {
					if hangs(r) {
						<-r.Context().Done()
						return nil, r.Context().Err()
					}
					return nil, nil
				})
				pass(26 * time.Second) // a question of each kind has been asked since
				n.with(nil)
				before := len(n.questions())
				pass(33 * time.Second)
				if got := len(n.questions()); got == before || f.Staleness() > 26*time.Second {
					t.Errorf("%d questions after %d, staleness %v", got, before, f.Staleness())
				}
			})
		})
	}
}

// Who is not let in must mend something: that is logged as an error, and found out without a restart.
func TestFeedMisconfigured(t *testing.T) {
	t.Parallel()
	for status, hint := range map[int]string{401: "check client id and secret", 403: "not registered as a resource server"} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			inFeedBubble(t, nil, func(t *testing.T, f *rs.Feed, n *feedNet, log *logBuffer) {
				n.answer(status, `{"error":"x"}`)
				pass(time.Minute)
				wantVerdict(t, f, living(), "unavailable")
				if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), hint) || strings.Contains(log.String(), "level=WARN") {
					t.Errorf("log is %q, want an error with %q", log, hint)
				}
				n.with(nil)
				pass(23 * time.Second)
				wantVerdict(t, f, living(), "accepted")
			})
		})
	}
}

// J-51 for the feed: whatever comes back, an answer is all or nothing, and what was heard before stays.
func TestFeedPoisonedAnswers(t *testing.T) {
	t.Parallel()
	dead := `{"sid":"f-2","exp":4102444800}`
	answers := map[string]string{
		"nothing":                        "",
		"HTML":                           "<html>it works</html>",
		"null":                           "null",
		"an array":                       "[" + dead + "]",
		"an empty object":                "{}",
		"no cursor":                      `{"revoked":[` + dead + `]}`,
		"an empty cursor":                `{"revoked":[` + dead + `],"next":""}`,
		"a cursor that is no string":     `{"revoked":[` + dead + `],"next":1}`,
		"no entries":                     `{"next":"c9","reset":true}`,
		"entries that are null":          `{"revoked":null,"next":"c9","reset":true}`,
		"entries that are an object":     `{"revoked":{},"next":"c9","reset":true}`,
		"reset that is no bool":          `{"revoked":[` + dead + `],"next":"c9","reset":"yes"}`,
		"a member twice":                 `{"revoked":[],"next":"c9","reset":true,"revoked":[` + dead + `]}`,
		"cut in an entry":                `{"reset":true,"next":"c9","revoked":[` + dead + `,{"sid":"f`,
		"cut after the entries":          `{"reset":true,"next":"c9","revoked":[` + dead + `]`,
		"data behind it":                 `{"reset":true,"next":"c9","revoked":[` + dead + `]}{}`,
		"an entry that is no object":     `{"reset":true,"next":"c9","revoked":[` + dead + `,"f-3"]}`,
		"an entry without exp":           `{"reset":true,"next":"c9","revoked":[` + dead + `,{"sid":"f-3"}]}`,
		"exp as a string":                `{"reset":true,"next":"c9","revoked":[` + dead + `,{"sid":"f-3","exp":"4102444800"}]}`,
		"exp beyond all time":            `{"reset":true,"next":"c9","revoked":[` + dead + `,{"sid":"f-3","exp":1e30}]}`,
		"before that is no date":         `{"reset":true,"next":"c9","revoked":[` + dead + `,{"sid":"f-3","exp":4102444800,"before":null}]}`,
		"a value that is no string":      `{"reset":true,"next":"c9","revoked":[` + dead + `,{"sid":3,"exp":4102444800}]}`,
		"an empty value":                 `{"reset":true,"next":"c9","revoked":[` + dead + `,{"sid":"","exp":4102444800}]}`,
		"a member of an entry twice":     `{"reset":true,"next":"c9","revoked":[` + dead + `,{"sid":"f-3","sid":"f-4","exp":4102444800}]}`,
		"bytes that are no UTF-8":        `{"reset":true,"next":"c9","revoked":[` + dead + ",{\"sid\":\"f\xff\",\"exp\":4102444800}]}",
		"another spelling of the member": `{"Revoked":[` + dead + `],"next":"c9","reset":true}`,
		"nested deeper than anything is": `{"x":` + strings.Repeat("[", 100_000) + `}`,
	}
	for name, body := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFeedBubble(t, func(_ *rs.FeedConfig, n *feedNet) { n.noWait = true; n.revoke(entry("sid", "f-1")) },
				func(t *testing.T, f *rs.Feed, n *feedNet, log *logBuffer) {
					n.answer(200, body)
					pass(29 * time.Second)
					unheard := living()
					unheard.SessionID = "f-2"
					wantVerdict(t, f, unheard, "accepted")
					wantVerdict(t, f, living(), "revoked")
					if got := n.questions(); got[len(got)-1].after != n.next() {
						t.Errorf("asked with cursor %q, want that of the last good answer", got[len(got)-1].after)
					}
					if !strings.Contains(log.String(), "answer of the feed") {
						t.Errorf("log is %q", log)
					}
				})
		})
	}
}

// No more than 16 MiB of an answer is read, and the secret is in no log.
func TestFeedLongAnswer(t *testing.T) {
	t.Parallel()
	inFeedBubble(t, func(c *rs.FeedConfig, n *feedNet) { n.noWait = true; c.ClientSecret = "authd_cs_hush" },
		func(t *testing.T, _ *rs.Feed, n *feedNet, log *logBuffer) {
			long := strings.NewReader(`{"revoked":[` + strings.Repeat(" ", 16<<20))
			n.with(func(*http.Request) (*http.Response, error) {
				n.unplug() // for all that follow
				resp := reply(200, "")
				resp.Body = io.NopCloser(long)
				return resp, nil
			})
			pass(10 * time.Second)
			if read := long.Size() - int64(long.Len()); read > 16<<20+1 {
				t.Errorf("%d bytes read", read)
			}
			if strings.Contains(log.String(), "hush") || !strings.Contains(log.String(), "more than 16777216 bytes") {
				t.Errorf("log is %q", log)
			}
		})
}

// FeedConfig.Now is the clock, here one without a monotonic reading.
func TestFeedStalenessByNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, asleep := newFeedNet(), new(clock)
		cfg := n.feedConfig(new(logBuffer))
		cfg.Now = asleep.Now // without a monotonic clock; it stands
		f, err := rs.NewFeed(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		tok := living()
		wantVerdict(t, f, tok, "accepted")
		asleep.Advance(31 * time.Second)
		wantVerdict(t, f, tok, "unavailable")
	})
}
