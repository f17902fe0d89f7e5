package pages

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"
)

// StaticPath is where the files of the pages are, below the issuer's path.
const StaticPath = "/static/"

// static serves each file under a name with the hash of its content: what has been fetched
// once is never asked for again.
type static struct {
	prefix string            // path, with a slash at its end
	files  map[string][]byte // by plain name
	hashed map[string]string // name with hash, by plain name
}

func newStatic(prefix string, files map[string][]byte) *static {
	s := &static{prefix: prefix, files: files, hashed: map[string]string{}}
	for name, content := range files {
		sum := sha256.Sum256(content)
		ext := path.Ext(name)
		s.hashed[name] = strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:6]) + ext
	}
	return s
}

func (s *static) url(name string) (string, error) {
	hashed, ok := s.hashed[name]
	if !ok {
		return "", fmt.Errorf("there is no file static/%s", name)
	}
	return s.prefix + hashed, nil
}

// Static serves the style sheet and what else the pages refer to, below the issuer's path
// and [StaticPath].
func (p *Pages) Static() http.Handler { return p.static }

func (s *static) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, current, ok := s.find(strings.TrimPrefix(r.URL.Path, s.prefix))
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Del("Pragma")
	h.Set("Cache-Control", "no-store")
	if current {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'") // an SVG opened by itself runs nothing
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(s.files[name]))
}

// find returns the file that a name with a hash means. While servers of two versions answer,
// the hash may be the other's: it gets what there is here, for this once.
func (s *static) find(hashed string) (name string, current, ok bool) {
	ext := path.Ext(hashed)
	stem, _, found := cutLast(strings.TrimSuffix(hashed, ext), "-")
	name = stem + ext
	if _, ok := s.files[name]; !ok || !found {
		return "", false, false
	}
	return name, s.hashed[name] == hashed, true
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
