package web

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/oauth"
)

// metadataMaxAge: endpoints change with a new release or configuration, that is seldom.
const metadataMaxAge = 5 * time.Minute

// metadata is RFC 8414 §2, and as much of OIDC Discovery as is true. There is no member
// for what is not on; response_types_supported, although required, is such a one while
// there is no authorization endpoint: it would be empty, and §3.2 wants claims with zero
// elements omitted.
type metadata struct {
	Issuer                   string             `json:"issuer"`
	TokenEndpoint            string             `json:"token_endpoint"`
	JWKSURI                  string             `json:"jwks_uri"`
	GrantTypes               []oauth.GrantType  `json:"grant_types_supported"`
	TokenAuthMethods         []oauth.AuthMethod `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgs            []string           `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevocationEndpoint       string             `json:"revocation_endpoint"`
	RevocationAuthMethods    []oauth.AuthMethod `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAuthAlgs       []string           `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	IntrospectionEndpoint    string             `json:"introspection_endpoint"`
	IntrospectionAuthMethods []oauth.AuthMethod `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAuthAlgs    []string           `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	// RevocationsEndpoint is ours: RFC 8414 §2 allows other members.
	RevocationsEndpoint string `json:"authd_revocations_endpoint,omitempty"`
}

func newMetadata(issuer string, withFeed bool) (document, error) {
	var revocations string
	if withFeed {
		revocations = issuer + "/oauth2/revocations"
	}
	confidential := []oauth.AuthMethod{oauth.SecretBasic, oauth.SecretPost, oauth.PrivateKeyJWT}
	all := append(slices.Clone(confidential), oauth.AuthNone)
	algs := clients.AssertionAlgs()
	body, err := json.Marshal(metadata{
		Issuer:                   issuer,
		TokenEndpoint:            issuer + "/oauth2/token",
		JWKSURI:                  issuer + "/.well-known/jwks.json",
		GrantTypes:               []oauth.GrantType{oauth.ClientCredentials, oauth.RefreshToken},
		TokenAuthMethods:         all,
		TokenAuthAlgs:            algs,
		RevocationEndpoint:       issuer + "/oauth2/revoke",
		RevocationAuthMethods:    all,
		RevocationAuthAlgs:       algs,
		IntrospectionEndpoint:    issuer + "/oauth2/introspect",
		IntrospectionAuthMethods: confidential,
		IntrospectionAuthAlgs:    algs,
		RevocationsEndpoint:      revocations,
	})
	if err != nil {
		return document{}, fmt.Errorf("metadata: %w", err)
	}
	sum := sha256.Sum256(body)
	return document{
		body: body, maxAge: metadataMaxAge,
		etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`,
	}, nil
}

// serveMetadata is the same at all well-known places, and knows no Host (RFC 8414 §3.3).
func (s *Server) serveMetadata(w http.ResponseWriter, r *http.Request) error {
	s.metadata.serve(w, r)
	return nil
}
