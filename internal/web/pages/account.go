package pages

import (
	"slices"
	"strings"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// Account shows a person their account.
type Account struct {
	Action, FormToken string
	Username          string
	Devices           []Device
	Apps              []App     // empty: the section is left out
	Now               time.Time // by the clock that set the times of Devices
	MinPassword       int       // characters; zero: the password is not kept here
	Problem           Problem
	Done              Done // what the last form did
}

// Device is a place where a person is signed in: a refresh-token family, or the session of a
// browser.
type Device struct {
	ID                    string
	Client                string // empty: a browser
	CreatedAt, LastUsedAt time.Time
	Address, UserAgent    string // empty: not kept
	Current               bool
}

// AddressParts are what an address may be broken between: one of IPv6 is longer than a line.
func (d Device) AddressParts() []string { return strings.SplitAfter(d.Address, ":") }

// App is a client that was allowed something.
type App struct {
	ID        string
	Client    string
	Scopes    []string
	AllowedAt time.Time
}

func (v Account) page() page {
	v.Username = typed(v.Username)
	v.Devices, v.Apps = slices.Clone(v.Devices), slices.Clone(v.Apps)
	for i, d := range v.Devices {
		v.Devices[i].Client = shown(d.Client, maxName)
		v.Devices[i].Address, v.Devices[i].UserAgent = address(d.Address), shown(d.UserAgent, oauth.MaxUserAgent)
	}
	for i, a := range v.Apps {
		v.Apps[i].Client, v.Apps[i].Scopes = shown(a.Client, maxName), shownScopes(a.Scopes)
	}
	return page{accountPage, "", v}
}

// AtPassword reports whether the problem belongs beside the form for the password, where the
// page then begins.
func (v Account) AtPassword() bool {
	return v.MinPassword > 0 && v.Problem != "" && v.Problem != Stale && v.Problem != Unavailable
}

// HasOthers reports whether there is a device to end beside the current one.
func (v Account) HasOthers() bool {
	return slices.ContainsFunc(v.Devices, func(d Device) bool { return !d.Current })
}
