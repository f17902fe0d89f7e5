package rs

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// bearerHeader returns the credential of RFC 6750 §2.1, "" where there is none.
func bearerHeader(r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	switch {
	case len(headers) == 0:
		return "", nil
	case len(headers) > 1:
		return "", refuse(ErrMalformed, errors.New("more than one Authorization header"))
	}
	return cutBearer(headers[0])
}

const tokenParam = "access_token" // RFC 6750 §2.2, §2.3

// cutBearer takes the scheme in any case (RFC 9110 §11.1) and exactly one word behind it.
func cutBearer(header string) (string, error) {
	scheme, token := header, ""
	if i := strings.IndexAny(header, " \t,"); i >= 0 {
		scheme, token = header[:i], header[i:]
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return "", nil
	}
	token = strings.TrimLeft(token, " ")
	if token == "" || strings.ContainsAny(token, " \t") {
		return "", refuse(ErrMalformed, errors.New("scheme Bearer without exactly one token"))
	}
	return token, nil
}

const maxFormPeek = 64 << 10

// formHas looks for name in the first 64 KiB of a form body and leaves the body as it was.
func formHas(r *http.Request, name string) bool {
	if r.PostForm != nil { // somebody outside has parsed it already
		return r.PostForm.Has(name)
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media != "application/x-www-form-urlencoded" || r.Body == nil {
		return false
	}
	head, err := io.ReadAll(io.LimitReader(r.Body, maxFormPeek))
	rest := io.Reader(r.Body)
	if err != nil {
		rest = failingReader{err}
	}
	r.Body = body{io.MultiReader(bytes.NewReader(head), rest), r.Body}
	form, _ := url.ParseQuery(string(head)) // what it could not parse is the handler's to refuse
	return form.Has(name)
}

type body struct {
	io.Reader
	io.Closer
}

// failingReader gives the handler the error that the peek ran into.
type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }
