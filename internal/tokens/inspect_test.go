package tokens

import (
	"strings"
	"testing"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

func TestWhyDead(t *testing.T) {
	t.Parallel()
	now, reason := time.Unix(1_700_000_000, 0), ReasonReuse
	leaf := refreshClaims{ID: "leaf", Generation: 3}
	tests := []struct {
		name   string
		token  refreshClaims
		change func(*db.FamilyState)
		want   string
	}{
		{"the leaf of a living family", leaf, func(*db.FamilyState) {}, ""},
		{"revoked", leaf, func(f *db.FamilyState) { f.RevokedAt, f.RevokedReason = &now, &reason }, "revoked at 2023-11-14T22:13:20Z: reuse"},
		{"the client is gone", leaf, func(f *db.FamilyState) { f.ClientActive = false }, "client is disabled or deleted"},
		{"the client was ended", leaf, func(f *db.FamilyState) { f.ClientEpochNow = 1 }, "its client was given was ended"},
		{"the subject is disabled", leaf, func(f *db.FamilyState) { f.SubjectDisabled = &now }, "subject is disabled"},
		{"the subject was ended", leaf, func(f *db.FamilyState) { f.SubjectEpochNow = 1 }, "of its subject were ended"},
		{"expired at this second", leaf, func(f *db.FamilyState) { f.LeafExp = now }, "expired"},
		{"used already", refreshClaims{ID: "old", Generation: 2}, func(*db.FamilyState) {}, "used already: it is generation 2, the family's is 3"},
		{"newer than the database", refreshClaims{ID: "new", Generation: 4}, func(*db.FamilyState) {}, "back in time"},
		{"the same generation with another jti", refreshClaims{ID: "fork", Generation: 3}, func(*db.FamilyState) {}, "back in time"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := db.FamilyState{
				Family: oauth.Family{Generation: 3, LeafJTI: "leaf", LeafExp: now.Add(time.Hour)}, Now: now, ClientActive: true,
			}
			tt.change(&f)

			got := whyDead(tt.token, &f)

			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
