package rs

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/go-authd/authd/internal/oauth"
)

const (
	maxFormPeek = 64 << 10
	maxBody     = 1 << 20 // of what Form and JSON read
)

// Form is a field of an application/x-www-form-urlencoded body of a POST, PUT or PATCH (RFC 6750 §2.2): for a plain HTML form
// that can send no header. ⚠ Whoever can write the page can read the token in it; prefer [Cookie].
//
// The handler still gets the whole body. It may have 1 MiB, or less where [http.MaxBytesReader] said so: a longer one is
// refused as malformed, as is one that cannot be read, because a token could be in the rest.
func Form(name string) Location {
	return Location{source: sourceForm, name: name, find: func(r *http.Request) (string, error) {
		form, err := readForm(r)
		if err != nil {
			return "", err
		}
		return single(form[name], sourceForm)
	}}
}

// JSON is a string member of the object that is the application/json body of a POST, PUT or PATCH. No RFC knows this place:
// it is for clients that cannot be changed. The bounds of [Form] hold for it, and the body must be one JSON object of at most
// 32 levels without duplicate members, so that the handler can see no other token in it.
func JSON(name string) Location {
	return Location{source: sourceJSON, name: name, find: func(r *http.Request) (string, error) {
		body, err := readBody(r, "application/json")
		if err != nil || len(body) == 0 {
			return "", err
		}
		object, err := oauth.DecodeClaims(body)
		if err != nil {
			return "", malformed("JSON body: %w", err)
		}
		value, present := object[name]
		if !present {
			return "", nil
		}
		token, _ := value.(string)
		return single([]string{token}, sourceJSON)
	}}
}

// readForm returns the fields of a form and leaves the body as it was.
func readForm(r *http.Request) (url.Values, error) {
	if form := parsedForm(r); form != nil && isMedia(r, formMedia) {
		return form, nil
	}
	body, err := readBody(r, formMedia)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, malformed("form cannot be read")
	}
	return form, nil
}

// readBody returns the body if it is of this media type and the method gives it a meaning, and leaves it as it was.
func readBody(r *http.Request, media string) ([]byte, error) {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
	default:
		return nil, nil
	}
	if !isMedia(r, media) {
		return nil, nil
	}
	body, err := peekBody(r, maxBody+1)
	switch {
	case err != nil:
		return nil, malformed("body: %w", err)
	case len(body) > maxBody:
		return nil, malformed("body over %d bytes", maxBody)
	}
	return body, nil
}

const formMedia = "application/x-www-form-urlencoded"

func isMedia(r *http.Request, want string) bool {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return media == want
}

// formHas looks for name in the first 64 KiB of a form body and leaves the body as it was.
func formHas(r *http.Request, name string) bool {
	if form := parsedForm(r); form != nil {
		return form.Has(name)
	}
	if !isMedia(r, formMedia) {
		return false
	}
	head, _ := peekBody(r, maxFormPeek)
	form, _ := url.ParseQuery(string(head)) // what it could not parse is the handler's to refuse
	return form.Has(name)
}

// peekBody reads up to limit bytes and puts them back, and behind them the error that it ran into.
func peekBody(r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	head, err := io.ReadAll(io.LimitReader(r.Body, limit))
	rest := io.Reader(r.Body)
	if err != nil {
		rest = failingReader{err}
	}
	r.Body = body{io.MultiReader(bytes.NewReader(head), rest), r.Body}
	return head, err
}

type body struct {
	io.Reader
	io.Closer
}

// failingReader gives the handler the error that the peek ran into.
type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }
