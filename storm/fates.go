package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/go-authd/authd"
)

// fate is what befalls families that were played for some rounds.
type fate func(ctx context.Context, a *actor, families []*family)

// fates by kind of actor.
var fates = [kinds][]fate{
	faithful: {goOn, goOn, presentedByAnother},
	robbed:   {robAncestor, robAncestor, robAfterGrace, robInGrace, robAndRace},
	revoked:  {byLeaf, byAncestor, byAncestor, byLogout, byBearer, byOperator, accessAlone},
	ruled:    {bySubject, byDisabling, byPassword, byClient, byClientDisabled},
}

const roundsOfOld = 8 // of a family that is left alone

func goOn(ctx context.Context, a *actor, families []*family) {
	a.play(ctx, families, roundsOfOld)
}

// presentedByAnother: another client's request changes nothing.
func presentedByAnother(ctx context.Context, a *actor, families []*family) {
	f := families[0]
	c := &call{actor: a.name, how: "as another client", client: clientNames[(int(a.kind)+1)%2], subject: a.subject}
	a.presentForeign(ctx, c, f.leaf())
	a.play(ctx, families, 3)
}

func (a *actor) presentForeign(ctx context.Context, c *call, t token) {
	r := a.refresh(context.WithoutCancel(ctx), c, t, false)
	switch {
	case c.outcome == invalid:
		c.outcome = foreign
	case r.outcome() == ok:
		c.outcome, c.detail = odd, "another client's request was answered"
	}
}

// steal presents t as a thief does, until the answer is definite.
func (a *actor) steal(ctx context.Context, f *family, t token) answer {
	for try := 1; ; try++ {
		c := &call{actor: a.name + "/thief", client: a.client, subject: a.subject, thief: true}
		r := a.refresh(context.WithoutCancel(ctx), c, t, false)
		if c.outcome != unavailable && c.outcome != busy || try == mostTries {
			return r
		}
		pause(context.WithoutCancel(ctx), min(time.Duration(try)*betweenRetries, 500*time.Millisecond))
	}
}

// robAncestor: what is older than the parent is reuse however young it is.
func robAncestor(ctx context.Context, a *actor, families []*family) {
	f := families[0]
	if n := len(f.tokens); n >= 3 {
		a.steal(ctx, f, f.tokens[a.random.IntN(n-2)])
	}
	a.play(ctx, families, 2)
}

// robAfterGrace: the parent, too late.
func robAfterGrace(ctx context.Context, a *actor, families []*family) {
	f := families[0]
	if a.grace > longestGrace || len(f.tokens) < 2 {
		robAncestor(ctx, a, families)
		return
	}
	if !pause(ctx, a.grace+300*time.Millisecond) {
		return
	}
	a.steal(ctx, f, f.tokens[len(f.tokens)-2])
	a.play(ctx, families, 2)
}

// longestGrace is what thieves wait for the end of.
const longestGrace = 3 * time.Second

// robInGrace: the thief is in time, and has the same successor as the client. Both go on.
func robInGrace(ctx context.Context, a *actor, families []*family) {
	f := families[0]
	t := f.leaf()
	a.play(ctx, families, 1)
	stolen := a.steal(ctx, f, t)
	a.play(ctx, families, 2)
	if stolen.refresh.text != "" {
		a.steal(ctx, f, stolen.refresh)
	}
	a.play(ctx, families, 2)
}

// robAndRace: the thief presents an ancestor while the client refreshes.
func robAndRace(ctx context.Context, a *actor, families []*family) {
	f := families[0]
	if len(f.tokens) < 3 {
		return
	}
	t := f.tokens[len(f.tokens)-3]
	a.race(func() { a.steal(ctx, f, t) }, func() { a.play(ctx, families, 2) })
	a.play(ctx, families, 2)
}

// race begins all at once and waits for each.
func (a *actor) race(all ...func()) {
	var running sync.WaitGroup
	for _, f := range all {
		running.Go(f)
	}
	running.Wait()
}

// during does it while the families are played, and plays on after it.
func (a *actor) during(ctx context.Context, families []*family, do func(ctx context.Context) outcome) {
	a.race(
		func() { a.insist(context.WithoutCancel(ctx), do) },
		func() { a.play(ctx, families, 2) },
	)
	a.play(ctx, families, 2)
	for _, f := range families {
		a.introspect(context.WithoutCancel(ctx), a.name, f.access[len(f.access)-1])
	}
}

// insist does it again until it is known to be done.
func (a *actor) insist(ctx context.Context, do func(ctx context.Context) outcome) {
	for try := 1; try < mostTries; try++ {
		if o := do(ctx); o != unavailable && o != busy && o != refused {
			return
		}
		pause(ctx, min(time.Duration(try)*betweenRetries, 500*time.Millisecond))
	}
}

func byLeaf(ctx context.Context, a *actor, families []*family) {
	t := families[0].leaf()
	a.during(ctx, families, func(ctx context.Context) outcome {
		c := &call{actor: a.name, deed: endFamily, how: "by leaf", client: a.client}
		a.revoke(ctx, c, t)
		return c.outcome
	})
}

// byAncestor: a token of any generation ends the family (RFC 7009 §2.1).
func byAncestor(ctx context.Context, a *actor, families []*family) {
	t := families[0].tokens[0]
	a.during(ctx, families, func(ctx context.Context) outcome {
		c := &call{actor: a.name, deed: endFamily, how: "by ancestor", client: a.client}
		a.revoke(ctx, c, t)
		return c.outcome
	})
}

func byLogout(ctx context.Context, a *actor, families []*family) {
	t := families[0].leaf()
	a.during(ctx, families, func(ctx context.Context) outcome {
		c := &call{actor: a.name, deed: endFamily, how: "by logout", client: a.client}
		a.logout(ctx, c, t)
		return c.outcome
	})
}

func byBearer(ctx context.Context, a *actor, families []*family) {
	t := families[0].access[len(families[0].access)-1]
	a.during(ctx, families, func(ctx context.Context) outcome {
		c := &call{actor: a.name, deed: endFamily, how: "by bearer", client: a.client}
		a.logoutBearer(ctx, c, t)
		return c.outcome
	})
}

func byOperator(ctx context.Context, a *actor, families []*family) {
	f := families[0]
	a.during(ctx, families, func(ctx context.Context) outcome {
		c := &call{actor: "operator", deed: endFamily, how: "by operator", family: f.id}
		a.operate(c, func() error { return a.cluster.admin.RevokeFamily(ctx, f.id) })
		return c.outcome
	})
}

// accessAlone: an access token ends itself and nothing else.
func accessAlone(ctx context.Context, a *actor, families []*family) {
	f := families[0]
	t := f.access[len(f.access)-1]
	a.insist(context.WithoutCancel(ctx), func(ctx context.Context) outcome {
		c := &call{actor: a.name, deed: endAccess, client: a.client}
		a.revoke(ctx, c, t)
		return c.outcome
	})
	a.introspect(context.WithoutCancel(ctx), a.name, t)
	a.play(ctx, families, 3)
}

// operator's calls of one method.
func (a *actor) operates(d deed, do func(ctx context.Context, admin *authd.Admin) error) func(context.Context) outcome {
	return func(ctx context.Context) outcome {
		c := &call{actor: "operator", deed: d}
		if d == endClient || d == disableClient || d == enableClient {
			c.client = a.client
		} else {
			c.subject = a.subject
		}
		a.operate(c, func() error { return do(ctx, a.cluster.admin) })
		return c.outcome
	}
}

func bySubject(ctx context.Context, a *actor, families []*family) {
	a.during(ctx, families, a.operates(endSubject, func(ctx context.Context, admin *authd.Admin) error {
		return admin.RevokeSubject(ctx, a.subject)
	}))
}

func byDisabling(ctx context.Context, a *actor, families []*family) {
	a.during(ctx, families, a.operates(disableSubject, func(ctx context.Context, admin *authd.Admin) error {
		return admin.DisableUser(ctx, a.user)
	}))
	a.insist(context.WithoutCancel(ctx), a.operates(enableSubject, func(ctx context.Context, admin *authd.Admin) error {
		return admin.EnableUser(ctx, a.user)
	}))
}

// passwords alternate, so that a seed replays them.
var passwords = []string{firstPassword, "gravel umbrella nine copper doors"}

func byPassword(ctx context.Context, a *actor, families []*family) {
	next := passwords[(slices.Index(passwords, a.password)+1)%len(passwords)]
	a.during(ctx, families, a.operates(setPassword, func(ctx context.Context, admin *authd.Admin) error {
		return admin.SetPassword(ctx, a.user, next)
	}))
	a.password = next
}

func byClient(ctx context.Context, a *actor, families []*family) {
	a.during(ctx, families, a.operates(endClient, func(ctx context.Context, admin *authd.Admin) error {
		return admin.RevokeClient(ctx, a.client)
	}))
}

func byClientDisabled(ctx context.Context, a *actor, families []*family) {
	a.insist(context.WithoutCancel(ctx), a.operates(disableClient, func(ctx context.Context, admin *authd.Admin) error {
		return admin.DisableClient(ctx, a.client)
	}))
	for _, f := range families { // one look each: they would retry until it is enabled
		c := &call{actor: a.name, client: a.client, subject: a.subject}
		a.refresh(context.WithoutCancel(ctx), c, f.leaf(), false)
	}
	a.insist(context.WithoutCancel(ctx), a.operates(enableClient, func(ctx context.Context, admin *authd.Admin) error {
		return admin.EnableClient(ctx, a.client)
	}))
	a.play(ctx, families, 1)
}
