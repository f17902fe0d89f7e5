package rs_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/rs"
)

func TestNewFeedRefusesConfig(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*rs.FeedConfig)
		want   string // in the error
	}{
		{"no issuer", func(c *rs.FeedConfig) { c.Issuer = "" }, "Issuer"},
		{"no client id", func(c *rs.FeedConfig) { c.ClientID = "" }, "ClientID"},
		{"no secret", func(c *rs.FeedConfig) { c.ClientSecret = "" }, "ClientSecret"},
		{"the choice between open and closed is not made", func(c *rs.FeedConfig) { c.OnStale = 0 }, "rs.Refuse refuses all tokens with 503, rs.Accept accepts"},
		{"a choice that does not exist", func(c *rs.FeedConfig) { c.OnStale = 3 }, "OnStale"},
		{"staleness that no question can keep to", func(c *rs.FeedConfig) { c.MaxStaleness = 9 * time.Second }, "MaxStaleness is 9s, want 10s to 1h"},
		{"staleness without a bound", func(c *rs.FeedConfig) { c.MaxStaleness = 61 * time.Minute }, "MaxStaleness"},
		{"negative staleness", func(c *rs.FeedConfig) { c.MaxStaleness = -1 }, "MaxStaleness"},
		{"issuer in the clear", func(c *rs.FeedConfig) { c.Issuer = "http://id.example.com" }, "https"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := newFeedNet().feedConfig(new(logBuffer))
			tt.change(&cfg)

			f, err := rs.NewFeed(t.Context(), cfg)

			if err == nil {
				_ = f.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one about %q", err, tt.want)
			}
		})
	}
}

// As with rs.New: what is wrong from the beginning fails at start.
func TestNewFeedFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*feedNet)
		want   string
	}{
		{"an issuer without a feed", func(n *feedNet) { n.metadata = `{"issuer":"` + testIssuer + `"}` }, "has no authd_revocations_endpoint"},
		{"a feed in the clear", func(n *feedNet) {
			n.metadata = strings.Replace(feedMetadata, testIssuer+"/oauth2/revocations", "http://id.example.com/x", 1)
		}, "authd_revocations_endpoint"},
		{"metadata of another issuer, RFC 8414 §3.3", func(n *feedNet) { n.metadata = `{"issuer":"https://evil.example"}` }, "evil.example"},
		{"a wrong secret", func(n *feedNet) { n.answer(401, "{}") }, "check client id and secret"},
		{"a client that is no resource server", func(n *feedNet) { n.answer(403, "{}") }, "not registered as a resource server"},
		{"an outage", func(n *feedNet) { n.answer(503, "{}") }, "503"},
		{"no connection", (*feedNet).unplug, "refused"},
		{"an answer that is none", func(n *feedNet) { n.answer(200, "<html>") }, "answer of the feed"},
		{"an answer that does not end", func(n *feedNet) { n.with(dripping) }, "deadline"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := newFeedNet()
				tt.change(n)

				f, err := rs.NewFeed(t.Context(), n.feedConfig(new(logBuffer)))

				if err == nil {
					_ = f.Close()
				}
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got error %v, want one about %q", err, tt.want)
				}
			})
		})
	}
}

func dripping(r *http.Request) (*http.Response, error) {
	resp := reply(200, "")
	resp.Body = drip{r.Context()}
	return resp, nil
}

// protocol.md, Revocation: the kinds of entries, and "before: a token with a smaller iat is dead".
// the feed says it of keys and of families, too.
func TestFeedEntries(t *testing.T) {
	t.Parallel()
	const second = time.Second
	tests := []struct {
		name  string
		entry func() string
		want  string
	}{
		{"sid ends the tokens of its family", func() string { return entry("sid", "f-1") }, "revoked"},
		{"jti ends its token", func() string { return entry("jti", "j-1") }, "revoked"},
		{"sub with before ends what was issued earlier", func() string { return entry("sub", "usr_1", 0) }, "revoked"},
		{"client_id with before ends what was issued earlier", func() string { return entry("client_id", "shop", 0) }, "revoked"},
		{"kid ends what the key signed", func() string { return entry("kid", "k-at") }, "revoked"},
		{"jti with before ends it only if it was issued earlier", func() string { return entry("jti", "j-1", 0) }, "revoked"},
		{"sub with before spares a token of that second", func() string { return entry("sub", "usr_1", -second) }, "accepted"},
		{"client_id with before spares a token of that second", func() string { return entry("client_id", "shop", -second) }, "accepted"},
		{"jti with before spares a token of that second", func() string { return entry("jti", "j-1", -second) }, "accepted"},
		{"kid with before spares a token of that second", func() string { return entry("kid", "k-at", -second) }, "accepted"},
		{"sid with before spares a token of that second", func() string { return entry("sid", "f-1", -second) }, "accepted"},
		{"a value counts for its own kind alone", func() string { return entry("jti", "f-1") + "," + entry("sid", "usr_1") + "," + entry("sub", "shop") }, "accepted"},
		{"a longer value is another one", func() string { return entry("sid", "f-10") }, "accepted"},
		{"a value in other letters is another one", func() string { return entry("kid", "K-AT") }, "accepted"},
		{"an unknown kind is ignored", func() string { return entry("grant", "f-1") }, "accepted"},
		{"an unknown kind is ignored whatever else it is", func() string { return `{"grant":7,"exp":"soon"}` }, "accepted"},
		{"two kinds at once are a kind of their own, which is ignored", func() string { return `{"sub":"usr_1","client_id":"shop","exp":` + unix(time.Hour) + `}` }, "accepted"},
		{"a known kind beside an unknown one counts", func() string { return entry("grant", "x") + "," + entry("sid", "f-1") }, "revoked"},
		{"an unknown member of a known kind is ignored", func() string { return `{"sid":"f-1","why":["x"],"exp":` + unix(time.Hour) + `}` }, "revoked"},
		{"an entry that is over ends nothing", func() string { return `{"sid":"f-1","exp":` + unix(-time.Minute) + `}` }, "accepted"},
		{"an entry counts a minute longer, for the greatest Config.Leeway", func() string { return `{"sid":"f-1","exp":` + unix(-59*time.Second) + `}` }, "revoked"},
		{"an entry twice counts as the one that ends more", func() string { return entry("sub", "usr_1", 0) + "," + entry("sub", "usr_1", -time.Hour) }, "revoked"},
		{"an entry twice counts as the one without before", func() string { return entry("sid", "f-1") + "," + entry("sid", "f-1", -time.Hour) }, "revoked"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			atStart := func(_ *rs.FeedConfig, n *feedNet) { n.revoke(tt.entry()) }
			inFeedBubble(t, atStart, func(t *testing.T, f *rs.Feed, _ *feedNet, _ *logBuffer) {
				wantVerdict(t, f, living(), tt.want)
			})
			inFeedBubble(t, nil, func(t *testing.T, f *rs.Feed, n *feedNet, _ *logBuffer) {
				wantVerdict(t, f, living(), "accepted")
				n.revoke(tt.entry()) // as news
				synctest.Wait()
				wantVerdict(t, f, living(), tt.want)
			})
		})
	}
}

// A client_credentials token has no sid, and nothing that could stand for it.
func TestFeedEntryWithoutValue(t *testing.T) {
	t.Parallel()
	inFeedBubble(t, nil, func(t *testing.T, f *rs.Feed, n *feedNet, _ *logBuffer) {
		tok := living()
		tok.SessionID = ""
		n.revoke(`{"sid":"","exp":` + unix(time.Hour) + `}`)
		synctest.Wait()
		wantVerdict(t, f, tok, "accepted")
	})
}

// Entries end with the tokens that they name (protocol.md), and a minute later for the greatest leeway.
func TestFeedEntriesEnd(t *testing.T) {
	t.Parallel()
	inFeedBubble(t, nil, func(t *testing.T, f *rs.Feed, n *feedNet, _ *logBuffer) {
		n.revoke(entry("sid", "f-1"))
		pass(time.Hour + time.Minute - time.Second)
		wantVerdict(t, f, living(), "revoked")
		pass(time.Second)
		wantVerdict(t, f, living(), "accepted")
	})
}

// RFC 6749 §2.3.1: both are encoded as a form before they are joined.
func TestFeedAuthenticates(t *testing.T) {
	t.Parallel()
	inFeedBubble(t, func(c *rs.FeedConfig, _ *feedNet) {
		c.ClientID, c.ClientSecret = "a b:c", "s%+ü:"
	}, func(t *testing.T, _ *rs.Feed, n *feedNet, _ *logBuffer) {
		want := "Basic " + base64.StdEncoding.EncodeToString([]byte("a+b%3Ac:s%25%2B%C3%BC%3A"))
		for _, q := range n.questions() {
			if q.auth != want {
				t.Errorf("got Authorization %q, want %q", q.auth, want)
			}
		}
	})
}

// RFC 7240 §4.3: a question waits 25 s for news. The one after its answer does not, to know what is true at once.
func TestFeedLongPolls(t *testing.T) {
	t.Parallel()
	inFeedBubble(t, func(_ *rs.FeedConfig, n *feedNet) { n.revoke(entry("sid", "x")) },
		func(t *testing.T, _ *rs.Feed, n *feedNet, _ *logBuffer) {
			pass(time.Minute)

			var got []question
			for _, q := range n.questions() {
				got = append(got, question{after: q.after, prefer: q.prefer})
			}
			long, short := question{after: n.next(), prefer: "wait=25"}, question{after: n.next()}
			want := []question{{}, long, short, long, short, long}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(question{})); diff != "" {
				t.Error(diff)
			}
			asked := n.questions()
			if asked[1].at != 0 || asked[2].at < 25*time.Second+250*time.Millisecond || asked[2].at > 25*time.Second+750*time.Millisecond {
				t.Errorf("asked at %v and %v, want 0s and about half a second after 25s", asked[1].at, asked[2].at)
			}
		})
}

// V-14: news ends the wait; nobody waits for the interval of anything.
func TestFeedNewsComesAtOnce(t *testing.T) {
	t.Parallel()
	inFeedBubble(t, nil, func(t *testing.T, f *rs.Feed, n *feedNet, _ *logBuffer) {
		for _, id := range []string{"f-1", "f-2", "f-3"} {
			tok := living()
			tok.SessionID = id
			wantVerdict(t, f, tok, "accepted")
			revokedAt := time.Now()
			n.revoke(entry("sid", id))
			for revoked := false; !revoked; revoked, _ = f.Revoked(t.Context(), tok) {
				pass(10 * time.Millisecond)
			}
			if took := time.Since(revokedAt); took > time.Second {
				t.Errorf("news of %s took %v", id, took)
			}
		}
	})
}

// RFC 7240 §2: a server may ignore a preference, and then there is no Preference-Applied (§3). It is asked every 5 s or
// so, never by all its readers in the same moment.
func TestFeedFallsBackToPolling(t *testing.T) {
	t.Parallel()
	inFeedBubble(t, func(_ *rs.FeedConfig, n *feedNet) { n.noWait = true },
		func(t *testing.T, f *rs.Feed, n *feedNet, log *logBuffer) {
			var worst time.Duration
			for range 600 {
				pass(100 * time.Millisecond)
				worst = max(worst, f.Staleness())
			}
			asked := n.questions()[1:] // the first is that of NewFeed
			gaps := map[time.Duration]bool{}
			for i := range asked[1:] {
				gap := asked[i+1].at - asked[i].at
				gaps[gap] = true
				if gap < 2500*time.Millisecond || gap > 7500*time.Millisecond {
					t.Errorf("asked again after %v, want 2.5 s to 7.5 s", gap)
				}
			}
			if len(gaps) < 3 || worst > 7500*time.Millisecond || log.String() != "" {
				t.Errorf("%d lengths of gaps, want jitter; staleness up to %v; log is %q", len(gaps), worst, log)
			}
		})
}

// RFC 7240 §3: what Preference-Applied must say for the issuer to be one that lets questions wait.
func TestFeedPreferenceApplied(t *testing.T) {
	t.Parallel()
	tests := []struct {
		header string
		waits  bool
	}{
		{"wait=25", true},
		{"Wait=25", true},
		{`respond-async, wait="10"`, true},
		{"wait = 25", true},
		{"wait", true},
		{"", false},
		{"wait=0", false},
		{"respond-async", false},
		{"await=25", false},
	}
	for _, tt := range tests {
		t.Run(tt.header, func(t *testing.T) {
			t.Parallel()
			inFeedBubble(t, nil, func(t *testing.T, _ *rs.Feed, n *feedNet, _ *logBuffer) {
				n.answer(200, page("c0", false), "Preference-Applied", tt.header)
				pass(25 * time.Second) // the wait that is pending is over, and answered as before
				before := len(n.questions())
				pass(20 * time.Second)
				// A pair of questions each 250 to 750 ms, or one each 2.5 to 7.5 s after the first, short one.
				if got := len(n.questions()) - before; (got >= 26) != tt.waits {
					t.Errorf("%d questions in 20 s, want those of an issuer that lets questions wait: %t", got, tt.waits)
				}
			})
		})
	}
}

// protocol.md: a cursor is opaque, so it comes back byte for byte, whatever it is made of.
func TestFeedSendsCursorBack(t *testing.T) {
	t.Parallel()
	for _, cursor := range []string{"MTp-Mg", "a+b/c==", "a b&after=c#d%20", "ü✓", strings.Repeat("x", 8<<10)} {
		t.Run(cursor[:min(len(cursor), 10)], func(t *testing.T) {
			t.Parallel()
			start := func(_ *rs.FeedConfig, n *feedNet) { n.noWait = true; n.answer(200, page(cursor, false)) }
			inFeedBubble(t, start, func(t *testing.T, _ *rs.Feed, n *feedNet, _ *logBuffer) {
				pass(20 * time.Second)
				n.unplug()
				pass(20 * time.Second)
				n.answer(200, page("other", false))
				pass(40 * time.Second)
				asked := n.questions()
				for i, q := range asked {
					want := cursor
					if i == 0 {
						want = ""
					}
					if q.after != want && q.after != "other" {
						t.Errorf("question %d has cursor %q, want %q", i, q.after, want)
					}
				}
				if last := asked[len(asked)-1]; last.after != "other" {
					t.Errorf("the last question has cursor %q, want that of the answer before", last.after)
				}
			})
		})
	}
}

// A metadata document may name an endpoint with a query of its own (RFC 6749 §3.2 allows one): it stays.
func TestFeedEndpointWithQuery(t *testing.T) {
	t.Parallel()
	var queries []string // of one question after the other
	inFeedBubble(t, func(_ *rs.FeedConfig, n *feedNet) {
		n.metadata = strings.Replace(feedMetadata, "/oauth2/revocations", "/oauth2/revocations?tenant=a", 1)
		n.with(func(r *http.Request) (*http.Response, error) {
			queries = append(queries, r.URL.RawQuery)
			return nil, nil
		})
	}, func(t *testing.T, _ *rs.Feed, n *feedNet, _ *logBuffer) {
		if diff := cmp.Diff([]string{"tenant=a", "after=" + n.next() + "&tenant=a"}, queries); diff != "" {
			t.Error(diff)
		}
	})
}

// A cursor that the issuer would not read is not sent: the question is for everything, and the answer is the whole set.
func TestFeedBadCursors(t *testing.T) {
	t.Parallel()
	tooLong := strings.Repeat("x", 8<<10+1)
	inFeedBubble(t, func(_ *rs.FeedConfig, n *feedNet) {
		n.answer(200, page(tooLong, false, entry("sid", "f-0")))
	}, func(t *testing.T, f *rs.Feed, n *feedNet, _ *logBuffer) {
		n.answer(200, page("short", false, entry("sid", "f-1")))
		pass(20 * time.Second)
		asked := n.questions()
		if asked[1].after != "" || asked[len(asked)-1].after != "short" {
			t.Errorf("asked with cursors of %d and %d bytes", len(asked[1].after), len(asked[len(asked)-1].after))
		}
		old := living()
		old.SessionID = "f-0"
		wantVerdict(t, f, old, "accepted")
		wantVerdict(t, f, living(), "revoked")
	})
	for _, status := range []int{400, 414, 431} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			inFeedBubble(t, nil, func(t *testing.T, f *rs.Feed, n *feedNet, _ *logBuffer) {
				n.with(func(r *http.Request) (*http.Response, error) {
					if r.URL.Query().Has("after") {
						return reply(status, "{}"), nil
					}
					return nil, nil
				})
				pass(26 * time.Second) // the question that waits is over, and nobody reads the cursor
				n.revoke(entry("sid", "f-1"))
				pass(10 * time.Second)
				wantVerdict(t, f, living(), "revoked")
			})
		})
	}
}

// protocol.md: a cursor of another database gets the whole set and "reset": true.
func TestFeedReset(t *testing.T) {
	t.Parallel()
	inFeedBubble(t, func(_ *rs.FeedConfig, n *feedNet) {
		n.revoke(entry("sid", "f-1"), entry("sid", "f-2"))
	}, func(t *testing.T, f *rs.Feed, n *feedNet, _ *logBuffer) {
		wantVerdict(t, f, living(), "revoked")
		n.RestoreFeed()
		n.revoke(entry("sid", "f-3"))
		pass(30 * time.Second)

		wantVerdict(t, f, living(), "accepted")
		ended := living()
		ended.SessionID = "f-3"
		wantVerdict(t, f, ended, "revoked")
		if last := n.questions()[len(n.questions())-1]; last.after != n.next() {
			t.Errorf("the last cursor is %q, want that of the reset", last.after)
		}
	})
}

// A timeout of the host's client would end every wait.
func TestFeedClientTimeout(t *testing.T) {
	t.Parallel()
	inFeedBubble(t, func(c *rs.FeedConfig, _ *feedNet) { c.HTTPClient.Timeout = 3 * time.Second },
		func(t *testing.T, _ *rs.Feed, n *feedNet, log *logBuffer) {
			pass(24 * time.Second)
			if len(n.questions()) != 2 || log.String() != "" {
				t.Errorf("%d questions, log is %q; want the second to wait", len(n.questions()), log)
			}
		})
}

// Close ends a wait; the bubble would report a goroutine that stays.
func TestFeedClose(t *testing.T) {
	t.Parallel()
	inFeedBubble(t, nil, func(t *testing.T, f *rs.Feed, n *feedNet, log *logBuffer) {
		n.revoke(entry("sid", "f-1"))
		pass(2 * time.Second)
		closed := time.Now()
		for range 2 {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(closed); took != 0 || log.String() != "" {
			t.Errorf("closing took %v, log is %q", took, log)
		}
		other := living()
		other.SessionID = "f-2"
		wantVerdict(t, f, living(), "revoked")
		wantVerdict(t, f, other, "accepted")
		pass(31 * time.Second)
		wantVerdict(t, f, living(), "revoked")
		wantVerdict(t, f, other, "unavailable")
	})
}

// NewFeed's context ends with the start of the program, the feed does not.
func TestFeedOutlivesContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newFeedNet()
		ctx, cancel := context.WithCancel(t.Context())
		f, err := rs.NewFeed(ctx, n.feedConfig(new(logBuffer)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cancel()
		pass(time.Minute)
		n.revoke(entry("sid", "f-1"))
		pass(time.Second)
		wantVerdict(t, f, living(), "revoked")
	})
}

func TestFeedOfAnotherIssuer(t *testing.T) {
	t.Parallel()
	inFeedBubble(t, nil, func(t *testing.T, f *rs.Feed, _ *feedNet, _ *logBuffer) {
		tok := living()
		tok.Issuer += "/"
		wantVerdict(t, f, tok, "unavailable")
	})
	var none *rs.Feed // whoever ignores the error of NewFeed
	wantVerdict(t, none, living(), "unavailable")
	var nobody *rs.Introspection
	wantVerdict(t, nobody, living(), "unavailable")
}
