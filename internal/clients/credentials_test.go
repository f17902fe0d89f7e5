package clients_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/oauth"
)

func basic(raw string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(raw)) }

func client(method oauth.AuthMethod, secrets ...string) *oauth.Client {
	c := &oauth.Client{ID: "shop", AuthMethod: method}
	for _, s := range secrets {
		sum := sha256.Sum256([]byte(s))
		c.Secrets = append(c.Secrets, oauth.ClientSecret{SHA256: sum[:]})
	}
	return c
}

// authenticate is what every endpoint does: parse, read the registration, check.
func authenticate(headers []string, form oauth.Form, registered *oauth.Client) error {
	c, err := clients.ParseCredentials(headers, form)
	if err != nil {
		return err
	}
	if registered != nil && registered.ID != c.ClientID() {
		registered = nil
	}
	return c.Check(registered)
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	disabled := client(oauth.SecretBasic, "right")
	now := time.Now()
	disabled.DisabledAt = &now
	odd := client(oauth.SecretBasic, "p:+%é s")
	odd.ID = "a:b+c%"
	post := oauth.Form{"client_id": "shop", "client_secret": "right"}
	tests := []struct {
		name    string
		headers []string
		form    oauth.Form
		client  *oauth.Client
		code    oauth.Code // "": authenticated
	}{
		{"client_secret_basic, RFC 6749 §2.3.1", []string{basic("shop:right")}, nil, client(oauth.SecretBasic, "right"), ""},
		{"client_secret_post", nil, post, client(oauth.SecretPost, "right"), ""},
		{"none: a public client names itself", nil, oauth.Form{"client_id": "shop"}, client(oauth.AuthNone), ""},
		{"Basic and its own client_id in the body", []string{basic("shop:right")}, oauth.Form{"client_id": "shop"}, client(oauth.SecretBasic, "right"), ""},
		{"C-05: the scheme in any case", []string{"bASIC " + basic("shop:right")[6:]}, nil, client(oauth.SecretBasic, "right"), ""},
		{"C-04: id and secret are form-encoded inside Basic", []string{basic(url.QueryEscape("a:b+c%") + ":" + url.QueryEscape("p:+%é s"))}, nil, odd, ""},
		{"C-04: the raw variant fails", []string{basic("a:b+c%:p:+%é s")}, nil, odd, oauth.InvalidClient},
		{"C-13: the old of two secrets", []string{basic("shop:old")}, nil, client(oauth.SecretBasic, "old", "new"), ""},
		{"C-13: the new of two secrets", []string{basic("shop:new")}, nil, client(oauth.SecretBasic, "old", "new"), ""},
		{"C-13: a secret that was removed", []string{basic("shop:old")}, nil, client(oauth.SecretBasic, "new"), oauth.InvalidClient},
		{"C-06: a wrong secret", []string{basic("shop:wrong")}, nil, client(oauth.SecretBasic, "right"), oauth.InvalidClient},
		{"C-06: an unknown client", []string{basic("shop:right")}, nil, nil, oauth.InvalidClient},
		{"C-12: a disabled client", []string{basic("shop:right")}, nil, disabled, oauth.InvalidClient},
		{"C-21: the identifier in another case", []string{basic("SHOP:right")}, nil, client(oauth.SecretBasic, "right"), oauth.InvalidClient},
		{"C-02: Basic for one client, client_id of another", []string{basic("shop:right")}, oauth.Form{"client_id": "blog"}, client(oauth.SecretBasic, "right"), oauth.InvalidRequest},
		{"two methods at once, RFC 6749 §2.3", []string{basic("shop:right")}, post, client(oauth.SecretBasic, "right"), oauth.InvalidRequest},
		{"C-02: Basic and an assertion", []string{basic("shop:right")}, oauth.Form{"client_assertion": "x"}, client(oauth.SecretBasic, "right"), oauth.InvalidRequest},
		{"C-03: two headers, the right one first", []string{basic("shop:right"), basic("shop:wrong")}, nil, client(oauth.SecretBasic, "right"), oauth.InvalidRequest},
		{"C-03: two headers, the right one last", []string{basic("shop:wrong"), basic("shop:right")}, nil, client(oauth.SecretBasic, "right"), oauth.InvalidRequest},
		{"C-05: no colon", []string{basic("shop")}, nil, client(oauth.SecretBasic, "right"), oauth.InvalidClient},
		{"C-05: no base64", []string{"Basic !!!"}, nil, client(oauth.SecretBasic, "right"), oauth.InvalidClient},
		{"C-05: NUL in the identifier", []string{basic("sh%00op:right")}, nil, client(oauth.SecretBasic, "right"), oauth.InvalidClient},
		{"C-05: bytes that are no UTF-8", []string{basic("%ff:right")}, nil, client(oauth.SecretBasic, "right"), oauth.InvalidClient},
		{"another scheme", []string{"Bearer abc"}, nil, client(oauth.SecretBasic, "right"), oauth.InvalidClient},
		{"C-08: a public client that sends a secret", nil, post, client(oauth.AuthNone), oauth.InvalidClient},
		{"C-08: a public client with an empty secret in Basic", []string{basic("shop:")}, nil, client(oauth.AuthNone), oauth.InvalidClient},
		{"C-10: a confidential client that only names itself", nil, oauth.Form{"client_id": "shop"}, client(oauth.SecretBasic, "right"), oauth.InvalidClient},
		{"C-11: another method than the registered one", nil, post, client(oauth.SecretBasic, "right"), oauth.InvalidClient},
		{"C-02: Basic and the type of an assertion", []string{basic("shop:right")}, oauth.Form{"client_assertion_type": "x"}, client(oauth.SecretBasic, "right"), oauth.InvalidRequest},
		{"a secret without an identifier", nil, oauth.Form{"client_secret": "right"}, client(oauth.SecretBasic, "right"), oauth.InvalidRequest},
		{"nothing", nil, nil, client(oauth.SecretBasic, "right"), oauth.InvalidClient},
		{"a confidential client without any secret", []string{basic("shop:")}, nil, client(oauth.SecretBasic), oauth.InvalidClient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := authenticate(tt.headers, tt.form, tt.client)

			e, _ := errors.AsType[*oauth.Error](err)
			switch {
			case tt.code == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.code != "" && (e == nil || e.Code != tt.code):
				t.Errorf("got %v, want %s", err, tt.code)
			}
		})
	}
}

// NOENUM: what a stranger is told does not tell an unknown client from a known one.
func TestOneAnswerForStrangers(t *testing.T) {
	t.Parallel()
	now := time.Now()
	disabled := client(oauth.SecretBasic, "right")
	disabled.DisabledAt = &now
	want := authenticate([]string{basic("shop:wrong")}, nil, nil).(*oauth.Error)

	for name, c := range map[string]*oauth.Client{
		"wrong secret": client(oauth.SecretBasic, "right"), "disabled": disabled, "public": client(oauth.AuthNone),
		"other method": client(oauth.SecretPost, "right"),
	} {
		got := authenticate([]string{basic("shop:wrong")}, nil, c).(*oauth.Error)
		if got.Code != want.Code || got.Description != want.Description || got.HTTPStatus() != want.HTTPStatus() {
			t.Errorf("%s: told %v, an unknown client %v", name, got, want)
		}
		if got.Rule == want.Rule {
			t.Errorf("%s: the log does not tell it from an unknown client", name)
		}
	}
}

func FuzzParseCredentials(f *testing.F) {
	f.Add(basic("shop:right"), "")
	f.Add("Basic", "shop")
	f.Add("bearer x", "shop")
	f.Fuzz(func(t *testing.T, header, id string) {
		c, err := clients.ParseCredentials([]string{header}, oauth.Form{"client_id": id})
		if err == nil && (c.ClientID() == "" || !oauth.IsText(c.ClientID())) {
			t.Errorf("accepted the identifier %q", c.ClientID())
		}
		if e, ok := errors.AsType[*oauth.Error](err); err != nil && (!ok || e.HTTPStatus() >= 500) {
			t.Errorf("got %v, want a refusal", err)
		}
	})
}
