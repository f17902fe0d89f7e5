package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/feed"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// Feed tells which tokens were ended.
type Feed interface {
	Since(ctx context.Context, cursor string, audiences []string, wait time.Duration) (feed.Page, error)
	// EndWaits answers everybody who waits.
	EndWaits()
}

// ResourceServers returns the audiences of the caller, or a refusal to one that is no
// resource server.
type ResourceServers interface {
	ResourceServer(ctx context.Context, caller tokens.Caller) (audiences []string, err error)
}

// maxWait is the most that Prefer: wait is granted.
const maxWait = 30 * time.Second

type revocationJSON struct {
	FamilyID string `json:"sid,omitempty"`
	ID       string `json:"jti,omitempty"`
	Subject  string `json:"sub,omitempty"`
	ClientID string `json:"client_id,omitempty"`
	KID      string `json:"kid,omitempty"`
	Before   int64  `json:"before,omitempty"`
	Expiry   int64  `json:"exp"`
}

type revocationsJSON struct {
	Revoked []revocationJSON `json:"revoked"`
	Next    string           `json:"next"`
	Reset   bool             `json:"reset,omitempty"`
}

// revocations serves GET /oauth2/revocations.
func (s *Server) revocations(w http.ResponseWriter, r *http.Request) error {
	cursor, err := cursorOf(r)
	if err != nil {
		return err
	}
	credentials, err := clients.ParseCredentials(r.Header.Values("Authorization"), oauth.Form{})
	if err != nil {
		return err
	}
	return s.tell(w, r, credentials, cursor)
}

// postRevocations serves POST /oauth2/revocations, for clients whose credentials are in the
// form: an assertion must not be in a URL.
func (s *Server) postRevocations(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	c, err := parseCall(r, body)
	if err != nil {
		return err
	}
	return s.tell(w, r, c.caller.Credentials, c.form.Get("after"))
}

// tell answers with what is new after cursor. Who waits for news holds no connection to the
// database and no place among the requests at work, only its own connection.
func (s *Server) tell(w http.ResponseWriter, r *http.Request, credentials clients.Credentials, cursor string) error {
	audiences, err := s.audiences(w, r, credentials)
	if err != nil {
		return err
	}
	wait, asked := preferredWait(r.Header.Values("Prefer"))
	page, err := s.news(w, r, cursor, audiences, wait)
	if err != nil && r.Context().Err() != nil { // the reader has gone away, as readers who wait do
		eventOf(r.Context()).quiet = true
		return nil
	}
	if err != nil {
		return err
	}
	if asked {
		w.Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(wait/time.Second))) // RFC 7240 §3
	}
	writeJSON(w, http.StatusOK, pageJSON(page))
	return nil
}

// audiences authenticates the caller, and tells whose revocations it may read.
func (s *Server) audiences(w http.ResponseWriter, r *http.Request, credentials clients.Credentials) (list []string, err error) {
	err = s.bounded(func(_ http.ResponseWriter, r *http.Request) (err error) {
		if credentials, err = s.cfg.Clients.Authenticate(r.Context(), credentials); err != nil {
			return err
		}
		list, err = s.cfg.ResourceServers.ResourceServer(r.Context(), caller{credentials, eventOf(r.Context())})
		return err
	})(w, r)
	return list, err
}

// news keeps the connection's deadline ahead of the wait, and ends the wait when the HTTP
// server shuts down.
func (s *Server) news(w http.ResponseWriter, r *http.Request, cursor string, audiences []string, wait time.Duration) (feed.Page, error) {
	if wait > 0 {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + requestTimeout)) // where there is one
		s.endWaitsWith(r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait+requestTimeout)
	defer cancel()
	return s.cfg.Feed.Since(ctx, cursor, audiences, wait)
}

// endWaitsWith lets the shutdown of the http.Server that brought r answer everybody who
// waits: it would wait for them.
func (s *Server) endWaitsWith(r *http.Request) {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return
	}
	if _, known := s.servers.LoadOrStore(server, true); !known {
		server.RegisterOnShutdown(s.cfg.Feed.EndWaits)
	}
}

// cursorOf refuses a cursor that stands twice; one that nobody gave out gets everything.
func cursorOf(r *http.Request) (string, error) {
	query := r.URL.Query()
	if len(query["after"]) > 1 {
		return "", oauth.Errorf(oauth.InvalidRequest, "after stands twice")
	}
	return query.Get("after"), nil
}

// preferredWait reads the preference wait (RFC 7240 §4.3), whole seconds; more than
// maxWait is taken for it. What is no number is ignored, as any preference may be.
func preferredWait(fields []string) (wait time.Duration, asked bool) {
	for preference := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		preference, _, _ = strings.Cut(preference, ";") // its parameters
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
		if err != nil {
			return 0, false
		}
		return min(time.Duration(n)*time.Second, maxWait), true // RFC 7240 §2: the first counts
	}
	return 0, false
}

func pageJSON(p feed.Page) revocationsJSON {
	out := revocationsJSON{Revoked: make([]revocationJSON, len(p.Entries)), Next: p.Next, Reset: p.Reset}
	for i, e := range p.Entries {
		entry := revocationJSON{Expiry: ceil(e.Exp)}
		if e.Before != nil {
			entry.Before = e.Before.Unix()
		}
		switch e.Kind {
		case "sid":
			entry.FamilyID = e.ID
		case "jti":
			entry.ID = e.ID
		case "sub":
			entry.Subject = e.ID
		case "client_id":
			entry.ClientID = e.ID
		case "kid":
			entry.KID = e.ID
		}
		out.Revoked[i] = entry
	}
	return out
}

// ceil is in whole seconds, no earlier.
func ceil(t time.Time) int64 { return t.Add(time.Second - 1).Unix() }
