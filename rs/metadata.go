package rs

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// ResourceMetadata describes a resource server to clients that do not know it yet (RFC 9728 §2). What is not here the
// verifier knows: resource is its audience, authorization_servers its issuers, and bearer_methods_supported comes from
// Config.Locations.
type ResourceMetadata struct {
	Scopes        []string // scopes_supported; those that clients may ask for
	Name          string   // resource_name, for people
	Documentation string   // resource_documentation, the URL of a page for developers
}

const protectedResource = "/.well-known/oauth-protected-resource"

// metadataURL inserts the well-known path between the host and the path of the audience (RFC 9728 §3.1).
func (c Config) metadataURL() (string, error) {
	if c.Metadata == nil {
		return "", nil
	}
	u, err := checkURL(c.Audience)
	switch {
	case err != nil:
		return "", fmt.Errorf("rs: Config.Metadata: Audience %w", err)
	case u.RawQuery != "" || u.ForceQuery:
		return "", errors.New("rs: Config.Metadata: Audience has a query")
	}
	path := u.EscapedPath()
	if path == "/" {
		path = ""
	}
	return u.Scheme + "://" + u.Host + protectedResource + path, nil
}

// MetadataHandler serves Config.Metadata, and says at which path clients look for it: the audience's path behind
// /.well-known/oauth-protected-resource.
//
//	mux.Handle(v.MetadataHandler())
//
// It is public, pages of every origin may read it, and it stays the same while the program runs. Without Config.Metadata
// it answers 404.
func (v *Verifier) MetadataHandler() (path string, h http.Handler) {
	if v.metadataURL == "" {
		return protectedResource, http.NotFoundHandler()
	}
	_, path, _ = strings.Cut(v.metadataURL, "://")
	doc, _ := json.Marshal(v.metadata()) // strings alone: no error
	return path[strings.IndexByte(path, '/'):], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		_, _ = w.Write(doc)
	})
}

type metadataDocument struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	ScopesSupported      []string `json:"scopes_supported,omitempty"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	ResourceName         string   `json:"resource_name,omitempty"`
	Documentation        string   `json:"resource_documentation,omitempty"`
}

// metadata names those issuers alone whose tokens for this resource are accepted.
func (v *Verifier) metadata() metadataDocument {
	m := v.cfg.Metadata
	doc := metadataDocument{
		Resource: v.cfg.Audience, ScopesSupported: m.Scopes, BearerMethods: bearerMethods(v.cfg.Locations),
		ResourceName: m.Name, Documentation: m.Documentation,
	}
	for _, of := range v.all() {
		if of.cfg.Audience == v.cfg.Audience {
			doc.AuthorizationServers = append(doc.AuthorizationServers, of.cfg.Issuer)
		}
	}
	return doc
}

// bearerMethods are those of RFC 6750 §2; cookies and headers of other names are none. An empty list is a statement, too
// (RFC 9728 §2).
func bearerMethods(locs []Location) []string {
	if len(locs) == 0 {
		locs = headerOnly
	}
	methods := []string{}
	for _, method := range [...]struct {
		name string
		at   Location
	}{{"header", Header()}, {"body", Form(tokenParam)}, {"query", Query(tokenParam)}} {
		if slices.ContainsFunc(locs, method.at.is) {
			methods = append(methods, method.name)
		}
	}
	return methods
}

func (l Location) is(o Location) bool {
	return cmp.Or(l.source, sourceHeader) == cmp.Or(o.source, sourceHeader) && cmp.Or(l.name, authorization) == cmp.Or(o.name, authorization)
}
