package browser

import (
	"fmt"
	"html"
	"net/http"
)

// evil is a site that means harm.
func evil() http.Handler {
	mux := http.NewServeMux()
	// A frame around the page that ?url= names.
	mux.HandleFunc("/frame", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><title>Frame</title><h1>Frame</h1><iframe src="%s"></iframe>`, html.EscapeString(r.FormValue("url")))
	})
	// A form that sends the rest of the query to ?url=.
	mux.HandleFunc("/form", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><title>Win</title><h1>Win</h1><form method="post" action="%s">`, html.EscapeString(r.FormValue("url")))
		for name, values := range r.URL.Query() {
			if name != "url" {
				fmt.Fprintf(w, `<input type="hidden" name="%s" value="%s">`, html.EscapeString(name), html.EscapeString(values[0]))
			}
		}
		fmt.Fprint(w, `<button type="submit">Win</button></form>`)
	})
	// A page whose policy forbids what it does.
	mux.HandleFunc("/against-its-policy", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		fmt.Fprint(w, `<!doctype html><title>Page</title><h1 style="color: red">Page</h1>`)
	})
	mux.HandleFunc("/throws", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><title>Page</title><h1>Page</h1><script>nobody()</script>`)
	})
	mux.HandleFunc("/ugly", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><title>Ugly</title><meta name="viewport" content="width=device-width"><h1>Ugly</h1>
			<div style="width: 1000px; height: 100px"></div><p><a href="/x">x</a> <a href="/y">y</a></p>
			<p style="margin: 100px; color: #999">pale</p><p><a href="/z">far</a></p><button style="height: 20px">low</button>`)
	})
	return mux
}
