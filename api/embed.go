// Package api holds the description of the HTTP endpoints, for generators of clients and
// for tests. Its paths are relative to the issuer.
package api

import _ "embed"

// OpenAPI is an OpenAPI 3.1 document in YAML. It describes all endpoints there are; which
// of them a server has is in its metadata (RFC 8414).
//
//go:embed openapi.yaml
var OpenAPI []byte
