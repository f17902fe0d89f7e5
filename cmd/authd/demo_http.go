package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// demoRequest is sent, and shown as the curl command that sends the same.
type demoRequest struct {
	method       string // shown where curl would not choose it by itself
	url          string
	user, secret string   // Basic, if user is set
	bearer       string   // likewise
	form         []string // name, value, …
	json         string
}

// curl returns the words between which the line may be broken.
func (r demoRequest) curl() []string {
	words := []string{"curl"}
	if r.method != "" {
		words = append(words, "-X "+r.method)
	}
	if r.user != "" {
		words = append(words, "-u "+r.user+":"+r.secret)
	}
	if r.bearer != "" {
		words = append(words, `-H "Authorization: Bearer `+r.bearer+`"`)
	}
	for i := 0; i+1 < len(r.form); i += 2 {
		words = append(words, "-d "+r.form[i]+"="+r.form[i+1])
	}
	if r.json != "" {
		words = append(words, "--json '"+r.json+"'")
	}
	return append(words, r.url)
}

func (r demoRequest) build(ctx context.Context) (*http.Request, error) {
	method, contentType, body := http.MethodGet, "", ""
	switch {
	case r.json != "":
		method, contentType, body = http.MethodPost, "application/json", r.json
	case len(r.form) > 0:
		form := url.Values{}
		for i := 0; i+1 < len(r.form); i += 2 {
			form.Add(r.form[i], r.form[i+1])
		}
		method, contentType, body = http.MethodPost, "application/x-www-form-urlencoded", form.Encode()
	}
	if r.method != "" {
		method = r.method
	}
	req, err := http.NewRequestWithContext(ctx, method, r.url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if r.user != "" {
		req.SetBasicAuth(url.QueryEscape(r.user), url.QueryEscape(r.secret)) // RFC 6749 §2.3.1
	}
	if r.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	return req, nil
}

// demoAnswer is what came back.
type demoAnswer struct {
	status int
	text   string         // JSON, or nothing
	member map[string]any // of the JSON object
}

// str is a member that is a string; "" for none.
func (a demoAnswer) str(name string) string {
	s, _ := a.member[name].(string)
	return s
}

// list is a member that is an array.
func (a demoAnswer) list(name string) []any {
	l, _ := a.member[name].([]any)
	return l
}

// want is what an answer should be like.
type want func(demoAnswer) error

func status(code int) want {
	return func(a demoAnswer) error {
		if a.status != code {
			return fmt.Errorf("the status is %d, want %d", a.status, code)
		}
		return nil
	}
}

// is wants a member of that value.
func is(name string, value any) want {
	return func(a demoAnswer) error {
		if got := a.member[name]; got != value {
			return fmt.Errorf("%s is %v, want %v", name, shorten(fmt.Sprint(got)), shorten(fmt.Sprint(value)))
		}
		return nil
	}
}

// isNot wants a member that is text, and another one.
func isNot(name, value string) want {
	return func(a demoAnswer) error {
		if got := a.str(name); got == "" || got == value {
			return fmt.Errorf("%s is missing, or the same as before", name)
		}
		return nil
	}
}

// hasNo wants a member to be absent.
func hasNo(name string) want { return is(name, nil) }

// check returns what is wrong first.
func check(a demoAnswer, wants ...want) error {
	for _, w := range wants {
		if err := w(a); err != nil {
			return err
		}
	}
	return nil
}

// hasText wants members that are strings with something in them.
func hasText(names ...string) want {
	return func(a demoAnswer) error {
		for _, name := range names {
			if a.str(name) == "" {
				return fmt.Errorf("%s is missing", name)
			}
		}
		return nil
	}
}

// call shows what is sent and what comes back, whatever it is, and then checks it.
func (d *demo) call(r demoRequest, wants ...want) (demoAnswer, error) {
	d.page.sent(r.curl()...)
	started := time.Now()
	a, err := d.exchange(r)
	if err != nil {
		return a, err
	}
	d.page.answered(a, time.Since(started))
	return a, check(a, wants...)
}

func (d *demo) exchange(r demoRequest) (a demoAnswer, err error) {
	req, err := r.build(d.ctx)
	if err != nil {
		return a, err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return a, err
	}
	a = demoAnswer{status: resp.StatusCode, text: string(bytes.TrimSpace(body))}
	if a.text == "" { // a revocation says nothing more
		return a, nil
	}
	if err := json.Unmarshal(body, &a.member); err != nil {
		return a, fmt.Errorf("the answer is no JSON object: %w", err)
	}
	return a, nil
}
