package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// revocation ends the access tokens that the operations before it were given, and more
// if those are few: it is over when they are spent, however long that took.
func (b *bench) revocation(ctx context.Context) error {
	if err := b.fillStock(ctx, int(b.o.duration.Seconds()*2000)); err != nil {
		return err
	}
	var next, bound atomic.Int64
	op, err := b.calls("revocation", b.server, func(_ int, c *conn) (step, error) {
		return func() error {
			i := next.Add(1) - 1
			if i >= bound.Load() {
				next.Add(-1)
				return errSpent
			}
			_, err := c.do(form("/oauth2/revoke", b.w.shop, "token", b.stock[i]))
			return err
		}, nil
	})
	if err != nil {
		return err
	}
	op.begin = func() { bound.Add(int64(len(b.stock) / rounds)) }
	bare, done, err := inserting(ctx, b.w.db, b.o.conns)
	if err != nil {
		return err
	}
	defer done()
	limit, err := b.fixed()
	if err != nil {
		return err
	}
	if err := warm(ctx, limit, bare); err != nil {
		return err
	}
	if err := inTurns(ctx, b.o.duration, limit, bare, op); err != nil {
		return err
	}
	b.report.add(op, row{limit: limit, share: 1, target: 6_000 / fixedThere, bare: bare})
	return b.checkRevocations(ctx, op.count)
}

func (b *bench) checkRevocations(ctx context.Context, done int64) error {
	ended, err := b.w.db.number(ctx, `select count(*) from authd.revoked_tokens`)
	if err == nil && ended != done {
		err = fmt.Errorf("%d of %d answers ended a token: something else was measured", ended, done)
	}
	return err
}

// fillStock takes a while: every token has its signature.
func (b *bench) fillStock(ctx context.Context, n int) error {
	var missing atomic.Int64
	missing.Store(int64(n - len(b.stock)))
	tokens := make([][]string, b.o.conns)
	request := form("/oauth2/token", b.w.shop, "grant_type", "client_credentials")
	fill, err := b.calls("", b.server, func(i int, c *conn) (step, error) {
		return func() error {
			if missing.Add(-1) < 0 {
				return errSpent
			}
			body, err := c.do(request)
			if err != nil {
				return err
			}
			token, err := member(body, "access_token")
			tokens[i] = append(tokens[i], token)
			return err
		}, nil
	})
	if err != nil {
		return err
	}
	err = fill.slice(ctx, time.Hour)
	b.keepTokens(tokens)
	return err
}
