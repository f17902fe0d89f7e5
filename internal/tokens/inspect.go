package tokens

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/keys"
	"github.com/go-authd/authd/internal/oauth"
)

// Refused says in words for the operator why a token would be refused.
type Refused struct{ Reason string }

func (e *Refused) Error() string { return e.Reason }

// Inspect judges an access or refresh token by what the database says now, as the
// endpoints would, and changes nothing: a refresh token is not used up. It returns
// [*Refused]; any other error is a fault. issuer "" is not compared.
func Inspect(ctx context.Context, d *db.DB, issuer, raw string) error {
	c, err := oauth.ParseCompact(raw)
	if err != nil {
		return &Refused{err.Error()}
	}
	judge := inspectAccess
	ring := oauth.AccessRing
	switch {
	case oauth.TypIs(c.Typ, oauth.TypeAccessToken):
	case oauth.TypIs(c.Typ, oauth.TypeRefreshToken):
		judge, ring = inspectRefresh, oauth.RefreshRing
	default:
		return &Refused{fmt.Sprintf("typ is neither %s nor %s", oauth.TypeAccessToken, oauth.TypeRefreshToken)}
	}
	c, err = keys.VerifyStored(ctx, d, ring, raw)
	if errors.Is(err, keys.ErrInvalid) {
		return &Refused{err.Error()}
	}
	if err != nil {
		return err
	}
	return judge(ctx, d, issuer, c)
}

func inspectAccess(ctx context.Context, d *db.DB, issuer string, c oauth.Compact) error {
	t := verified{KID: c.Kid}
	if err := json.Unmarshal(c.Payload, &t.accessClaims); err != nil {
		return &Refused{"its claims are not those of an access token"}
	}
	if issuer != "" && t.Issuer != issuer {
		return &Refused{fmt.Sprintf("iss is %s, not %s", t.Issuer, issuer)}
	}
	_, state, err := d.Introspection(ctx, "", ref(t, false))
	if err != nil {
		return err
	}
	return refused(whyInactive(t, state))
}

func refused(reason string) error {
	if reason == "" {
		return nil
	}
	return &Refused{reason}
}

func inspectRefresh(ctx context.Context, d *db.DB, issuer string, c oauth.Compact) error {
	var t refreshClaims
	if err := json.Unmarshal(c.Payload, &t); err != nil || t.Type != "refresh" {
		return &Refused{"its claims are not those of a refresh token"}
	}
	if issuer != "" && t.Issuer != issuer {
		return &Refused{fmt.Sprintf("iss is %s, not %s", t.Issuer, issuer)}
	}
	f, err := d.FamilyState(ctx, t.FamilyID)
	if errors.Is(err, db.ErrNotFound) {
		return &Refused{"its family is gone"}
	}
	if err != nil {
		return err
	}
	return refused(whyDead(t, &f))
}

// whyDead is "" for the leaf of a living family. The grace window is not asked for: its
// length is the servers' setting.
func whyDead(t refreshClaims, f *db.FamilyState) string {
	switch {
	case f.RevokedAt != nil:
		return fmt.Sprintf("its family was revoked at %s: %s", f.RevokedAt.UTC().Format(time.RFC3339), *f.RevokedReason)
	case !f.ClientActive:
		return "its client is disabled or deleted"
	case f.SubjectDisabled != nil:
		return "its subject is disabled"
	case f.UserEpoch != f.SubjectEpochNow:
		return "all grants of its subject were ended"
	case f.ClientEpoch != f.ClientEpochNow:
		return "all that its client was given was ended"
	case t.Generation > f.Generation || t.Generation == f.Generation && t.ID != f.LeafJTI:
		return "it is newer than the database, which has gone back in time"
	case t.Generation < f.Generation:
		return fmt.Sprintf("it was used already: it is generation %d, the family's is %d; "+
			"outside the grace window, presenting it ends the family", t.Generation, f.Generation)
	case !f.Now.Before(f.LeafExp):
		return "it has expired"
	}
	return ""
}
