package rs

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// follow asks in turn without waiting and with: the first kind of answer says what was true a moment ago, the second
// brings news. Where the issuer does not let questions wait, all answers are of the first kind.
func (f *Feed) follow(ctx context.Context) {
	wait, failures := f.wait, 0
	for {
		waited, err := f.ask(ctx, wait)
		if ctx.Err() != nil {
			return
		}
		f.sweep()
		var delay time.Duration
		switch {
		case err != nil:
			failures++
			delay, wait = f.backoff(err, failures), 0
		case waited:
			delay, wait = jitter(pause), 0
		case wait > 0:
			delay = jitter(pollInterval)
		default:
			wait = f.wait
		}
		if err == nil && failures > 0 {
			f.cfg.Logger.Info("rs: revocations are heard again", "failures", failures)
			failures = 0
		}
		if !sleep(ctx, delay) {
			return
		}
	}
}

// backoff says when to ask again, and logs it.
func (f *Feed) backoff(err error, failures int) time.Duration {
	delay := jitter(min(minBackoff<<min(failures-1, 10), maxBackoff))
	if e, ok := errors.AsType[*statusError](err); ok && e.retryAfter > 0 {
		delay = max(delay, e.retryAfter+jitter(minBackoff))
	}
	logTrouble(f.cfg.Logger, "rs: revocations are not heard", err,
		"issuer", f.cfg.Issuer, "staleness", f.Staleness(), "next_try_in", delay)
	return delay
}

// ask puts one question and takes in the answer. waited says that the issuer let it wait.
func (f *Feed) ask(ctx context.Context, wait time.Duration) (waited bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, max(wait+fetchTimeout, shortTimeout))
	defer cancel()
	req, err := f.question(ctx, wait)
	if err != nil {
		return false, err
	}
	sent := f.cfg.Now()
	resp, err := f.at.send(req)
	if err != nil {
		f.forget(err)
		return false, err
	}
	defer resp.Body.Close()
	n, err := readNews(resp.Body)
	if err != nil {
		return false, err
	}
	f.take(n)
	f.asOf.Store(&sent)
	return wait > 0 && isWaitApplied(resp.Header), nil
}

func (f *Feed) question(ctx context.Context, wait time.Duration) (*http.Request, error) {
	u := *f.at.url
	if f.cursor != "" {
		query := u.Query()
		query.Set("after", f.cursor)
		u.RawQuery = query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err == nil && wait > 0 {
		req.Header.Set("Prefer", "wait="+strconv.Itoa(int(wait/time.Second)))
	}
	return req, err
}

func (f *Feed) take(n news) {
	if n.unknown > 0 {
		f.cfg.Logger.Warn("rs: revocations of kinds that this version does not know are ignored", "entries", n.unknown)
	}
	if n.reset || f.cursor == "" { // without a cursor the issuer says everything
		f.set.replace(n.revoked, f.cfg.Now())
	} else {
		f.set.add(n.revoked, f.cfg.Now())
	}
	f.cursor = n.next
}

// forget drops a cursor that made a bad question: without one, the answer is everything.
func (f *Feed) forget(err error) {
	e, ok := errors.AsType[*statusError](err)
	if !ok {
		return
	}
	switch e.status {
	case http.StatusBadRequest, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge:
		f.cursor = ""
	}
}

func (f *Feed) sweep() {
	if now := f.cfg.Now(); now.Sub(f.sweptAt) >= sweepInterval {
		f.set.sweep(now)
		f.sweptAt = now
	}
}

// isWaitApplied reads Preference-Applied (RFC 7240 §3). A wait of 0 is none.
func isWaitApplied(header http.Header) bool {
	for preference := range strings.SplitSeq(strings.Join(header.Values("Preference-Applied"), ","), ",") {
		name, value, _ := strings.Cut(preference, "=")
		seconds, err := strconv.Atoi(strings.Trim(value, ` "`))
		if strings.EqualFold(strings.TrimSpace(name), "wait") {
			return err != nil || seconds > 0
		}
	}
	return false
}

// jitter is half to one and a half of d, so that those who were cut off together do not come back together.
func jitter(d time.Duration) time.Duration {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return d/2 + time.Duration(binary.NativeEndian.Uint64(b[:])%uint64(d))
}

// sleep reports whether ctx is still alive after d.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
