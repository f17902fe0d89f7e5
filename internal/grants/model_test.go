package grants_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// model is a family as the design's table has it, without a database.
type model struct {
	generation int
	replays    int
	now        time.Duration // since the sign-in
	rotatedAt  time.Duration
	leafExp    time.Duration
	over       bool // revoked, or of an earlier epoch
	disabled   bool // subject
}

const (
	idle     = 14 * 24 * time.Hour
	absolute = 90 * 24 * time.Hour
)

// present is the verdict on the token of a generation: the generation of the leaf that it
// leads to, or -1 for invalid_grant, -2 for 429.
func (m *model) present(generation int) int {
	isParent := generation == m.generation-1
	graced := isParent && m.now-m.rotatedAt < grace
	switch {
	case m.over || m.disabled:
		return -1
	case generation != m.generation && !graced:
		m.over = true
		return -1
	case m.now >= min(m.leafExp, absolute):
		return -1
	case graced && m.replays == 20:
		return -2
	case graced:
		m.replays++
		return m.generation
	}
	m.generation++
	m.replays, m.rotatedAt, m.leafExp = 0, m.now, min(m.now+idle, absolute)
	return m.generation
}

// machine drives the model and the server side by side.
type machine struct {
	*fixture
	model
	subject string
	tokens  []string // by generation
}

// A random walk of refreshes, replays, revocations, disablements, clock steps and
// restarts: the server says what the model says.
func TestRefreshAgainstTheModel(t *testing.T) {
	t.Parallel()
	f := setup(t)
	walk := 0
	rapid.Check(t, func(rt *rapid.T) {
		walk++
		dbtest.SetClock(t, f.pool, 0)
		m := &machine{fixture: serve(t, f.pool, options{grace: grace}), subject: "subject-" + itoa(walk), model: model{leafExp: idle}}
		m.tokens = []string{m.login(m.subject).RefreshToken}
		rt.Repeat(map[string]func(*rapid.T){
			"refresh":       m.refreshLeaf,
			"replay":        m.replayOlder,
			"replay parent": m.replayParent,
			"wait":          m.wait,
			"revoke":        m.revoke,
			"disable":       m.disable,
			"enable":        m.enable,
			"restart":       m.restart,
		})
	})
}

func (m *machine) refreshLeaf(rt *rapid.T)  { m.presentBoth(rt, len(m.tokens)-1) }
func (m *machine) replayParent(rt *rapid.T) { m.presentBoth(rt, max(len(m.tokens)-2, 0)) }

func (m *machine) replayOlder(rt *rapid.T) {
	if rapid.IntRange(0, 4).Draw(rt, "seldom") == 0 { // it ends the walk's interesting part
		m.presentBoth(rt, rapid.IntRange(0, len(m.tokens)-1).Draw(rt, "generation"))
	}
}

func (m *machine) presentBoth(rt *rapid.T, generation int) {
	want := m.model.present(generation)
	r, err := m.refresh(m.tokens[generation])
	if got := m.verdict(rt, r, err); got != want {
		rt.Fatalf("token of generation %d: server says %d, model %d (%+v, %v)", generation, got, want, m.model, err)
	}
}

func (m *machine) verdict(rt *rapid.T, r grants.Response, err error) int {
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		switch {
		case e.Code == oauth.InvalidGrant:
			return -1
		case e.HTTPStatus() == 429:
			return -2
		}
	}
	if err != nil {
		rt.Fatal(err)
	}
	generation := int(claims(m.t, r.RefreshToken)["gen"].(float64))
	if generation == len(m.tokens) {
		m.tokens = append(m.tokens, r.RefreshToken)
	}
	if m.tokens[generation] != r.RefreshToken {
		rt.Fatalf("a second token of generation %d", generation)
	}
	return generation
}

func (m *machine) wait(rt *rapid.T) {
	steps := []time.Duration{10 * time.Second, 40 * time.Second, time.Hour, 10 * 24 * time.Hour}
	m.now += rapid.SampledFrom(steps).Draw(rt, "step")
	dbtest.SetClock(m.t, m.pool, m.now)
}

func (m *machine) revoke(rt *rapid.T) {
	if rapid.IntRange(0, 9).Draw(rt, "seldom") != 0 {
		return
	}
	token := m.tokens[rapid.IntRange(0, len(m.tokens)-1).Draw(rt, "generation")]
	if err := m.fixture.tokens.Revoke(m.t.Context(), asPublic("app"), token, tokens.ReasonClient); err != nil {
		rt.Fatal(err)
	}
	m.over = true
}

func (m *machine) disable(rt *rapid.T) {
	if rapid.IntRange(0, 9).Draw(rt, "seldom") != 0 {
		return
	}
	if err := m.db.DisableSubject(m.t.Context(), m.subject); err != nil {
		rt.Fatal(err)
	}
	m.over, m.disabled = true, true
}

func (m *machine) enable(rt *rapid.T) {
	if err := m.db.EnableSubject(m.t.Context(), m.subject); err != nil {
		rt.Fatal(err)
	}
	m.disabled = false
}

func (m *machine) restart(*rapid.T) { m.fixture = serve(m.t, m.pool, options{grace: grace}) }
