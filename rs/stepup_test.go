package rs_test

import (
	"errors"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/go-authd/authd/rs"
)

// F-22, F-33, F-85, F-105: tokens of a recent or strong sign-in (RFC 9470 §3).
func TestStepUp(t *testing.T) {
	t.Parallel()
	ago := func(d time.Duration) string { return strconv.FormatInt(start.Add(-d).Unix(), 10) }
	challenge := func(params string) string {
		return `Bearer error="insufficient_user_authentication"` + params
	}
	tests := []struct {
		name      string
		edit      edit
		reqs      []rs.Requirement
		challenge string // "" is met
	}{
		{"F-22: fresh", edit{}, []rs.Requirement{rs.Fresh()}, ""},
		{"F-22: from a refresh", edit{"fresh": "false"}, []rs.Requirement{rs.Fresh()}, challenge(`, max_age="0"`)},
		{"F-75: not said", edit{"fresh": ""}, []rs.Requirement{rs.Fresh()}, challenge(`, max_age="0"`)},
		{"F-22: a time that others write is not said either", edit{"fresh": "1700000300"}, []rs.Requirement{rs.Fresh()}, challenge(`, max_age="0"`)},
		{"fresh as a text", edit{"fresh": `"true"`}, []rs.Requirement{rs.Fresh()}, challenge(`, max_age="0"`)},
		{"F-105: signed in within the age", edit{"auth_time": ago(5 * time.Minute)}, []rs.Requirement{rs.MaxAge(5 * time.Minute)}, ""},
		{"F-105: an older sign-in, refreshed since", edit{"auth_time": ago(6 * time.Minute)}, []rs.Requirement{rs.MaxAge(5 * time.Minute)}, challenge(`, max_age="300"`)},
		{"S1-18: leeway counts", edit{"auth_time": ago(5*time.Minute + 10*time.Second)}, []rs.Requirement{rs.MaxAge(5 * time.Minute)}, ""},
		{"a second more", edit{"auth_time": ago(5*time.Minute + 11*time.Second)}, []rs.Requirement{rs.MaxAge(5 * time.Minute)}, challenge(`, max_age="300"`)},
		{"no auth_time", edit{"auth_time": ""}, []rs.Requirement{rs.MaxAge(100 * 365 * 24 * time.Hour)}, challenge(`, max_age="3153600000"`)},
		{"no auth_time, and any would do", edit{"auth_time": ""}, []rs.Requirement{rs.MaxAge(math.MaxInt64)}, challenge(`, max_age="9223372036"`)},
		{"any auth_time", edit{"auth_time": "1"}, []rs.Requirement{rs.MaxAge(math.MaxInt64)}, ""},
		{"auth_time in the future", edit{"auth_time": ago(-11 * time.Second)}, []rs.Requirement{rs.MaxAge(time.Hour)}, challenge(`, max_age="3600"`)},
		{"a clock that is ahead", edit{"auth_time": ago(-10 * time.Second)}, []rs.Requirement{rs.MaxAge(0)}, ""},
		{"a negative age is none", edit{}, []rs.Requirement{rs.MaxAge(-time.Hour)}, challenge(`, max_age="0"`)},
		{"class of sign-in", edit{"acr": `"mfa"`}, []rs.Requirement{rs.ACR("hw", "mfa")}, ""},
		{"weaker class", edit{"acr": `"pwd"`}, []rs.Requirement{rs.ACR("hw", "mfa")}, challenge(`, acr_values="hw mfa"`)},
		{"no class", edit{}, []rs.Requirement{rs.ACR("hw")}, challenge(`, acr_values="hw"`)},
		{"no class, and none is asked for by name", edit{}, []rs.Requirement{rs.ACR("")}, challenge(`, acr_values=""`)},
		{"a class that is no text", edit{"acr": `["hw"]`}, []rs.Requirement{rs.ACR("hw")}, challenge(`, acr_values="hw"`)},
		{"one sign-in for all that is asked for", edit{"acr": `"hw"`, "fresh": "false"}, []rs.Requirement{rs.ACR("hw"), rs.MaxAge(time.Hour), rs.Fresh()}, challenge(`, max_age="0", acr_values="hw"`)},
		{"the shorter of two ages", edit{"auth_time": ago(2 * time.Hour)}, []rs.Requirement{rs.MaxAge(time.Minute), rs.MaxAge(time.Hour)}, challenge(`, max_age="60"`)},
		{"classes that both routes take", edit{"acr": `"b"`}, []rs.Requirement{rs.ACR("a", "b"), rs.ACR("a", "c")}, challenge(`, acr_values="a"`)},
		{"a client has no sign-in", edit{"sub": `"shop"`, "auth_time": "", "sid": "", "fresh": ""}, []rs.Requirement{rs.MaxAge(time.Hour)}, challenge(`, max_age="3600"`)},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := v.Verify(t.Context(), tt.edit.token(), tt.reqs...)

			if errors.Is(err, rs.ErrNotFresh) != (tt.challenge != "") || err != nil && tt.challenge == "" {
				t.Fatalf("got error %v", err)
			}
			if refusal, ok := errors.AsType[*rs.Error](err); ok && (refusal.Challenge != tt.challenge || refusal.Status != 401) {
				t.Errorf("got %d %s, want 401 %s", refusal.Status, refusal.Challenge, tt.challenge)
			}
		})
	}
}
