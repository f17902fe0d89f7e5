package web

import (
	"net/http"
	"strings"

	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/oauth"
)

// call is a request of a client by form, parsed as a whole and not yet authenticated.
type call struct {
	form   oauth.Form
	caller caller
}

// form serves the endpoints of RFC 6749 §3.2, RFC 7009 and RFC 7662. Everything that can
// be refused without the database is refused before a connection is taken: allowOrigin is
// the first to take one.
func (s *Server) form(allowOrigin handler, h func(http.ResponseWriter, *http.Request, call) error) handler {
	return s.limited(func(w http.ResponseWriter, r *http.Request, body []byte) error {
		c, errParse := parseCall(r, body)
		if err := allowOrigin(w, r); err != nil {
			return err
		}
		if errParse != nil { // now, so that a page may read it
			return errParse
		}
		var err error
		if c.caller.Credentials, err = s.cfg.Clients.Authenticate(r.Context(), c.caller.Credentials); err != nil {
			return err
		}
		return h(w, r, c)
	})
}

// parseCall never looks at the query (RFC 6749 §2.3.1, RFC 6750 §5.3): it is in other
// people's logs.
func parseCall(r *http.Request, body []byte) (call, error) {
	// Two Content-Type headers make one that is no media type.
	form, err := oauth.ParseForm(strings.Join(r.Header.Values("Content-Type"), ","), body)
	if err != nil {
		return call{}, err
	}
	credentials, err := clients.ParseCredentials(r.Header.Values("Authorization"), form)
	if err != nil {
		return call{}, err
	}
	return call{form, caller{credentials, eventOf(r.Context())}}, nil
}

// caller puts the client into the log line once it is authenticated, and not before:
// anybody can claim to be anybody.
type caller struct {
	clients.Credentials
	ev *event
}

// Check implements [tokens.Caller].
func (c caller) Check(client *oauth.Client) error {
	err := c.Credentials.Check(client)
	if err == nil {
		c.ev.clientID = client.ID
	}
	return err
}
