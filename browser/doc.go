// Package browser tests the sign-in end to end in a real browser: headless Chromium, the authd
// binary behind a proxy that terminates TLS, and a client made of golang.org/x/oauth2 and
// coreos/go-oidc. It is a module of its own, so that a host that embeds authd does not get
// chromedp. `make browser` installs what it needs, and runs it.
package browser
