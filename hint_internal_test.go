package authd

import (
	"log/slog"
	"testing"

	"github.com/go-authd/authd/internal/backchannel"
)

// Who ends a whole subject has ended its sessions, too; the operator ends a single one.
func TestEndsAreAHint(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		event Event
		want  int
	}{{SubjectEnded{"ada"}, 1}, {SessionEnded{Subject: "ada"}, 1}, {ClientEnded{"shop"}, 0}} {
		c := Config{Logger: slog.New(slog.DiscardHandler), sessionEnded: backchannel.NewHint()}

		c.emitter()(t.Context(), tt.event)

		if got := len(c.sessionEnded); got != tt.want {
			t.Errorf("%T: %d hints, want %d", tt.event, got, tt.want)
		}
	}
}
