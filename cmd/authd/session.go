package main

import (
	"fmt"
	"io"
	"time"

	"github.com/go-authd/authd"
)

type sessionsCmd struct {
	List sessionsListCmd `cmd:"" help:"List the browsers in which a person is signed in."`
	End  sessionsEndCmd  `cmd:"" help:"End a session, as a sign-out in that browser does."`
}

type subjectArg struct {
	Subject string `arg:"" help:"Subject of the person: sub in tokens and in authd users list."`
}

type sessionJSON struct {
	ID         string     `json:"id"`
	Sub        string     `json:"sub"`
	Username   string     `json:"username"`
	AuthTime   time.Time  `json:"auth_time"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt time.Time  `json:"last_used_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	Device     deviceJSON `json:"device"`
}

func toSessionJSON(s authd.Session) sessionJSON {
	return sessionJSON{
		ID: s.ID, Sub: s.Subject, Username: s.Username, AuthTime: s.AuthTime.UTC(), CreatedAt: s.CreatedAt.UTC(),
		LastUsedAt: s.LastUsedAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(), Device: toDeviceJSON(s.Device),
	}
}

type sessionsListCmd struct {
	subjectArg
	databaseFlags
}

// Help teaches.
func (sessionsListCmd) Help() string {
	return "Where the person is signed in in applications, authd families list shows.\n\n    authd sessions list usr_…"
}

// Run lists.
func (c *sessionsListCmd) Run(a *app) error {
	return c.admin(a.ctx, func(admin *authd.Admin) error {
		sessions, err := admin.Sessions(a.ctx, c.Subject)
		if err != nil {
			return err
		}
		return a.show(convert(sessions, toSessionJSON), func(w io.Writer) {
			table(w, "ID USERNAME CREATED USED EXPIRES ADDRESS USER-AGENT", convert(sessions, func(s authd.Session) []string {
				return []string{
					s.ID, s.Username, at(s.CreatedAt), at(s.LastUsedAt), at(s.ExpiresAt), addressOrDash(s.Device), orDash(s.Device.UserAgent),
				}
			}))
		})
	})
}

type sessionsEndCmd struct {
	subjectArg
	ID string `arg:"" help:"Identifier of the session."`
	databaseFlags
}

// Help teaches.
func (sessionsEndCmd) Help() string {
	return `With the session, the families end that OpenID Connect ties to it: those with openid and without offline_access.

    authd sessions list usr_…
    authd sessions end usr_… 0190e0c4-…`
}

// Run ends.
func (c *sessionsEndCmd) Run(a *app) error {
	return c.admin(a.ctx, func(admin *authd.Admin) error {
		if err := admin.EndSession(a.ctx, c.Subject, c.ID); err != nil {
			return fmt.Errorf("session %q of %q: %w", c.ID, c.Subject, err)
		}
		return a.show(map[string]any{"id": c.ID, "ended": true}, func(w io.Writer) {
			fmt.Fprintf(w, "session %s has ended: nobody is signed in in that browser\n", c.ID)
		})
	})
}
