package authd

import (
	"context"
	"log/slog"
)

// emitter logs each event and tells the host. Identifiers stand in the log, tokens never.
func (c *Config) emitter() func(context.Context, Event) {
	host := c.OnEvent
	if host == nil {
		host = func(context.Context, Event) {}
	}
	return func(ctx context.Context, e Event) {
		level, message, attrs := describe(e)
		c.Logger.LogAttrs(ctx, level, message, attrs...)
		host(ctx, e)
	}
}

// describe gives an event its log line. What an operator should look at is a warning;
// what is suspected of being an attack or a lost database, an error.
func describe(e Event) (slog.Level, string, []slog.Attr) {
	str := slog.String
	switch e := e.(type) {
	case GrantIssued:
		return slog.LevelDebug, "grant issued", []slog.Attr{
			str("grant_type", e.Grant.Type), str("client_id", e.Grant.ClientID), str("sub", e.Grant.Subject), str("fid", e.Grant.FamilyID),
		}
	case FamilyRevoked:
		return slog.LevelInfo, "family revoked", []slog.Attr{
			str("fid", e.FamilyID), str("client_id", e.ClientID), str("sub", e.Subject), str("reason", e.Reason),
		}
	case ReuseDetected:
		level, message := slog.LevelWarn, "refresh token reuse detected"
		if e.Fork {
			level, message = slog.LevelError, "db_rollback_suspected: refresh token is newer than its family"
		}
		return level, message, []slog.Attr{
			str("fid", e.FamilyID), str("client_id", e.ClientID), str("sub", e.Subject),
			slog.Int64("generation", e.Generation), slog.Int64("leaf_generation", e.LeafGeneration),
		}
	case GraceReplayed:
		return slog.LevelInfo, "refresh token replayed within grace", []slog.Attr{
			str("fid", e.FamilyID), str("client_id", e.ClientID), slog.Int("replays", e.Replays),
		}
	case ForeignTokenRefused:
		return slog.LevelWarn, "refresh token of another client refused", []slog.Attr{
			str("fid", e.FamilyID), str("client_id", e.ClientID), str("presented_by", e.PresentedBy),
		}
	case ConstantChallenge:
		return slog.LevelWarn, "constant_challenge: a client uses one code_challenge for all", []slog.Attr{str("client_id", e.ClientID)}
	case TokenRevoked:
		return slog.LevelInfo, "access token revoked", []slog.Attr{
			str("jti", e.JTI), str("client_id", e.ClientID), str("sub", e.Subject),
		}
	case SubjectEnded:
		return slog.LevelInfo, "subject ended", []slog.Attr{str("sub", e.Subject)}
	case ClientEnded:
		return slog.LevelInfo, "client ended", []slog.Attr{str("client_id", e.ClientID)}
	case KeyRotated, KeyAnnounced, KeyRevoked, KeyExpired:
		return describeKeyEvent(e)
	}
	return slog.LevelInfo, "event", nil
}

func describeKeyEvent(e Event) (slog.Level, string, []slog.Attr) {
	str := slog.String
	switch e := e.(type) {
	case KeyAnnounced:
		return slog.LevelInfo, "signing key announced", []slog.Attr{str("ring", e.Ring), str("kid", e.KeyID)}
	case KeyRevoked:
		return slog.LevelWarn, "signing key revoked", []slog.Attr{str("ring", e.Ring), str("kid", e.KeyID)}
	case KeyExpired:
		return slog.LevelInfo, "signing key expired", []slog.Attr{str("ring", e.Ring), str("kid", e.KeyID)}
	case KeyRotated:
		return slog.LevelInfo, "signing key rotated", []slog.Attr{
			str("ring", e.Ring), str("previous", e.Previous), str("signing", e.Signing), str("announced", e.Announced),
		}
	}
	return slog.LevelInfo, "event", nil
}
