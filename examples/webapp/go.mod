// go-oidc stays out of the go.mod of hosts that embed authd.
module github.com/go-authd/authd/examples/webapp

go 1.26.0

require (
	github.com/coreos/go-oidc/v3 v3.21.0
	golang.org/x/oauth2 v0.37.0
)

require github.com/go-jose/go-jose/v4 v4.1.8 // indirect
