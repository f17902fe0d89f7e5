package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// jwks serves GET /.well-known/jwks.json (RFC 7517 §5) from memory. Without any key it is
// an error and never an empty set, which verifiers would keep.
func (s *Server) jwks(w http.ResponseWriter, r *http.Request) error {
	set, err := s.cfg.Keys.JWKS()
	if err != nil {
		return err
	}
	// RFC 7517 §8.5.2 has a type of its own, which the verifiers in use never ask for and some
	// proxies do not know.
	document{set.Body, set.ETag, set.MaxAge}.serve(w, r)
	return nil
}

// document is JSON that is public and may be cached.
type document struct {
	body   []byte
	etag   string // strong
	maxAge time.Duration
}

func (d document) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	delete(h, "Pragma")
	values := []string{ // one allocation for three headers
		"public, max-age=" + strconv.FormatInt(int64(d.maxAge/time.Second), 10), d.etag, strconv.Itoa(len(d.body)),
	}
	h["Cache-Control"], h["Etag"] = values[0:1:1], values[1:2:2]
	h["Access-Control-Allow-Origin"] = everyOrigin
	if hasETag(r.Header["If-None-Match"], d.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"] = jsonType
	h["Content-Length"] = values[2:]
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(d.body)
	}
}

// hasETag compares weakly, as RFC 9110 §13.1.2 has it for If-None-Match. Our tags hold no
// comma, so that no part of a foreign one is taken for ours.
func hasETag(fields []string, etag string) bool {
	for _, field := range fields {
		for candidate := range strings.SplitSeq(field, ",") {
			candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
			if candidate == etag || candidate == "*" {
				return true
			}
		}
	}
	return false
}
