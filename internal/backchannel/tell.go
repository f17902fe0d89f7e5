package backchannel

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/tokens"
)

// attemptTimeout bounds an attempt, which with the commit before it takes less than a claim
// holds.
const attemptTimeout = 15 * time.Second

// noteTimeout bounds how long it takes to note what came of an attempt, also at shutdown.
const noteTimeout = 5 * time.Second

// tell delivers what the client has to be told, one notice after the other, and is false once
// it could not.
func (c *Courier) tell(ctx context.Context, client string) bool {
	for {
		n, err := c.cfg.DB.ClaimNotice(ctx, client)
		if errors.Is(err, db.ErrNotFound) {
			return true
		}
		if err == nil {
			err = c.deliver(ctx, n)
		}
		if err != nil {
			if ctx.Err() == nil {
				c.cfg.Logger.WarnContext(ctx, "logout notice not delivered",
					"client_id", client, "fid", n.FamilyID, "attempts", n.Attempts, "err", err)
			}
			return false
		}
	}
}

// deliver makes one attempt, and notes in the database what came of it. It returns why the
// client could not be told.
func (c *Courier) deliver(ctx context.Context, n db.LogoutNotice) error {
	var failed error
	if n.URI != "" {
		failed = c.attempt(ctx, n)
	}
	stopped := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	switch wait := backoff(n.Attempts); {
	case n.URI == "": // the client wants to hear nothing any more
		return c.remove(ctx, n, nil)
	case failed == nil:
		return c.remove(ctx, n, Delivered{n.ClientID, n.Subject, n.FamilyID, n.Attempts})
	case stopped: // another server may try at once
		return errors.Join(failed, c.postpone(ctx, n, 0))
	case n.Now.Add(wait).After(n.ExpiresAt):
		return errors.Join(failed, c.remove(ctx, n, GivenUp{n.ClientID, n.Subject, n.FamilyID, n.Attempts}))
	default:
		return errors.Join(failed, c.postpone(ctx, n, wait))
	}
}

// attempt is OIDC Back-Channel Logout §2.5 and §2.8. The token is made just before it is sent.
func (c *Courier) attempt(ctx context.Context, n db.LogoutNotice) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	token, err := c.cfg.Mint(ctx, tokens.Logout{ClientID: n.ClientID, Subject: n.Subject, FamilyID: n.FamilyID, IssuedAt: n.Now})
	if err != nil {
		return err
	}
	status, err := c.cfg.Post(ctx, n.URI, url.Values{"logout_token": {token}})
	if err == nil && status != 200 && status != 204 {
		err = fmt.Errorf("the client answered with status %d", status)
	}
	return err
}

// remove sends e, unless it is nil, if this server is the one that has removed the notice.
func (c *Courier) remove(ctx context.Context, n db.LogoutNotice, e Event) error {
	err := c.cfg.DB.RemoveNotice(ctx, n)
	if err == nil && e != nil {
		c.cfg.OnEvent(ctx, e)
	}
	return unlessTaken(err)
}

func (c *Courier) postpone(ctx context.Context, n db.LogoutNotice, wait time.Duration) error {
	return unlessTaken(c.cfg.DB.PostponeNotice(ctx, n, wait))
}

// unlessTaken: that somebody else has claimed the notice since is no failure of ours.
func unlessTaken(err error) error {
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	return err
}

const (
	firstWait = 5 * time.Second
	maxWait   = 5 * time.Minute
)

// backoff is how long a notice waits after so many attempts: 5 s, then twice as long each
// time, up to 5 minutes.
func backoff(attempts int) time.Duration {
	if attempts > 6 {
		return maxWait
	}
	return min(firstWait<<(attempts-1), maxWait)
}
