package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/api"
)

// Every route is described, and everything that is described is a route.
func TestOpenAPICoversTheRoutes(t *testing.T) {
	t.Parallel()
	s := newServer(t, config(services{}))
	var routes []string
	for _, list := range [][]route{s.publicRoutes(), s.opsRoutes()} {
		if err := chi.Walk(s.newRouter(list), func(method, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
			if method != http.MethodHead && method != http.MethodOptions { // said of all of them at once
				routes = append(routes, method+" "+path)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	var described []string
	for path, item := range loadSpec(t).doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	slices.Sort(routes)
	slices.Sort(described)

	if diff := cmp.Diff(described, routes); diff != "" {
		t.Errorf("-described +served\n%s", diff)
	}
}

type spec struct{ doc *openapi3.T }

func loadSpec(t testing.TB) spec {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return spec{doc}
}

// check holds an answer to what is described: its status, headers, type and body.
func (s spec) check(t *testing.T, name string, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	item := s.doc.Paths.Value(r.URL.Path)
	if r.Method == http.MethodHead { // a GET without a body
		return
	}
	if w.Code == http.StatusNotFound || item == nil || item.GetOperation(r.Method) == nil {
		s.checkOther(t, name, w)
		return
	}
	input := s.input(r, item)
	err := openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Options: input.Options,
		Status: w.Code, Header: w.Header(), Body: io.NopCloser(bytes.NewReader(w.Body.Bytes())),
	})
	if err != nil {
		t.Errorf("%s: the answer is not as described: %v", name, err)
	}
}

// checkRequest: what is accepted is described, too.
func (s spec) checkRequest(t *testing.T, name string, r *http.Request) {
	t.Helper()
	item := s.doc.Paths.Value(r.URL.Path)
	if item == nil || item.GetOperation(r.Method) == nil {
		return
	}
	if err := openapi3filter.ValidateRequest(context.Background(), s.input(r, item)); err != nil {
		t.Errorf("%s: the request is not as described: %v", name, err)
	}
}

func (s spec) input(r *http.Request, item *openapi3.PathItem) *openapi3filter.RequestValidationInput {
	return &openapi3filter.RequestValidationInput{
		Request: r,
		Route: &routers.Route{
			Spec: s.doc, Path: r.URL.Path, PathItem: item, Method: r.Method, Operation: item.GetOperation(r.Method),
		},
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		},
	}
}

// checkOther: what is no operation is OPTIONS, or an error with the common body.
func (s spec) checkOther(t *testing.T, name string, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code == http.StatusNoContent {
		return
	}
	var body any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if err := s.doc.Components.Schemas["Error"].Value.VisitJSON(body); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}
