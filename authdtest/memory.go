package authdtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
)

var errCut = errors.New("connection cut")

// memory brings requests to a handler without a socket.
type memory struct{ handler http.Handler }

// RoundTrip returns with the handler's first byte, as a connection does.
func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	in := r.Clone(ctx)
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer in.Body.Close()
	body, out := io.Pipe()
	a := &answer{header: http.Header{}, began: make(chan int, 1), body: out}
	failed := make(chan struct{})
	go func() {
		if !a.run(m.handler, in) {
			close(failed)
		}
	}()
	select {
	case status := <-a.began:
		stop := context.AfterFunc(r.Context(), func() { _ = out.CloseWithError(r.Context().Err()) })
		return &http.Response{
			Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status, Header: a.sent, Body: closing{body, func() { stop(); cancel() }}, Request: r,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
		}, nil
	case <-failed:
		cancel()
		return nil, errCut
	case <-r.Context().Done():
		cancel()
		_ = body.Close()
		return nil, r.Context().Err()
	}
}

// closing tells the handler that nobody reads any more.
type closing struct {
	*io.PipeReader
	closed func()
}

func (c closing) Close() error {
	c.closed()
	return c.PipeReader.Close()
}

// answer is an http.ResponseWriter.
type answer struct {
	header, sent http.Header
	began        chan int // the status
	body         *io.PipeWriter
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.sent == nil {
		a.sent = a.header.Clone()
		a.began <- status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// run reports whether there was any answer.
func (a *answer) run(h http.Handler, r *http.Request) (answered bool) {
	defer func() {
		err := recover()
		if err == nil {
			a.WriteHeader(http.StatusOK)
			_ = a.body.CloseWithError(r.Context().Err()) // whoever gave up gets no whole answer; nil is the end
		} else if err != http.ErrAbortHandler {
			panic(err)
		}
		answered = a.sent != nil
		_ = a.body.CloseWithError(errCut) // of no effect if it is closed
	}()
	h.ServeHTTP(a, r)
	return true
}
