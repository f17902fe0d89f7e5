package grants

import (
	"context"
	"errors"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// Begun is a family that was inserted and of which nothing is signed yet.
type Begun struct {
	FamilyID string
	client   *oauth.Client
	ok       allowed
}

// Begin inserts a family for a subject whom the host vouches for, by d, which may be the
// host's transaction: a token that is signed before its family is committed would verify
// offline although the host rolls back.
func (s *Service) Begin(ctx context.Context, d *db.DB, clientID string, who oauth.Authentication, form oauth.Form) (Begun, error) {
	ask, err := parseAsk(form)
	if err != nil {
		return Begun{}, err
	}
	client, now, err := d.Client(ctx, clientID)
	switch {
	case isNotFound(err), err == nil && client.DisabledAt != nil:
		return Begun{}, oauth.Errorf(oauth.InvalidClient, "no such client, or it is disabled")
	case err != nil:
		return Begun{}, err
	}
	ok, err := s.gate(&client, ask, client.Scopes, "")
	if err != nil {
		return Begun{}, err
	}
	if who.Time.IsZero() {
		who.Time = now
	}
	f, _, err := s.insertFamily(ctx, s.cfg.Tokens.In(d), &client, who, ok, ask.resource)
	return Begun{f.ID, &client, ok}, err
}

// Finish signs the first tokens of a family that was committed. It returns [db.ErrNotFound]
// before the commit and after a rollback.
func (s *Service) Finish(ctx context.Context, b Begun) (Response, error) {
	f, err := s.cfg.DB.FamilyState(ctx, b.FamilyID)
	if err != nil {
		return Response{}, err
	}
	if f.RevokedAt != nil || f.Generation != 0 || f.UserEpoch != f.SubjectEpochNow || f.ClientEpoch != f.ClientEpochNow {
		return Response{}, errBegun
	}
	return s.first(ctx, "", b.client, &f.Family, f.Now, b.ok, "")
}

var errBegun = errors.New("the family has ended, or is in use already")

// insertFamily refuses what no host may vouch for.
func (s *Service) insertFamily(ctx context.Context, t *tokens.Service, c *oauth.Client, who oauth.Authentication, ok allowed, resource string) (f oauth.Family, now time.Time, err error) {
	if err := checkSubject(who.Subject); err != nil {
		return f, now, err
	}
	id, err := oauth.NewFamilyID(s.cfg.Random)
	if err != nil {
		return f, now, err
	}
	start := tokens.SignIn{FamilyID: id, Authentication: who, Client: c, Scopes: ok.scopes, Resource: resource}
	if !c.HasGrant(oauth.RefreshToken) {
		start.TTL = ok.ttl
	}
	return t.StartFamily(ctx, start)
}

func checkSubject(sub string) error {
	if sub == "" || len(sub) > 255 || !oauth.IsText(sub) {
		return errors.New("authenticator returned a subject that is empty, too long or not text")
	}
	return nil
}

// first issues the first tokens of a family, fresh ones, and not before their first second.
func (s *Service) first(ctx context.Context, t oauth.GrantType, c *oauth.Client, f *oauth.Family, now time.Time, ok allowed, nonce string) (Response, error) {
	if err := await(ctx, now, f.LeafIAT); err != nil {
		return Response{}, err
	}
	grant := familyGrant(f, t, ok)
	grant.Fresh = true
	with := beside{idToken: isOpenID(f, ok.scopes), nonce: nonce}
	if refreshes(c, f.Scopes, f.SessionID != "") {
		with.leaf = f
	}
	return s.issue(ctx, tokens.Access{Grant: grant, IssuedAt: f.LeafIAT, TTL: untilEnd(ok.ttl, f.LeafIAT, f)}, with)
}
