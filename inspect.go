package authd

import (
	"context"
	"errors"

	"github.com/go-authd/authd/internal/tokens"
)

// RefusedError says why a token would be refused, in words for the operator; clients hear
// less.
type RefusedError struct{ Reason string }

// Error is the reason.
func (e *RefusedError) Error() string { return e.Reason }

// InspectToken judges an access or refresh token of this database as the endpoints would
// now, without a grace window, and changes nothing: a refresh token is not used up, and
// one that comes too late does not end its family. issuer is compared with iss unless it
// is "". It returns nil for a token that would be accepted, or a [*RefusedError].
func (a *Admin) InspectToken(ctx context.Context, token, issuer string) error {
	err := tokens.Inspect(ctx, a.db, issuer, token)
	if refused, ok := errors.AsType[*tokens.Refused](err); ok {
		return &RefusedError{refused.Reason}
	}
	return err
}
