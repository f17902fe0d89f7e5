package pages

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
)

// hostile are texts that would be more than text if one place forgot to escape them.
var hostile = []string{
	`<script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`,
	`' onfocus='alert(1)' autofocus='`,
	`" onfocus="alert(1)" autofocus="`,
	`</title><script>alert(1)</script>`,
	`</form><form action=https://evil.example>`,
	`--><svg/onload=alert(1)>`,
	`{{.FormToken}}<%= 1 %>${1}`,
	"\u202e<b>\x00</b>\u2028`",
	`&lt;script&gt;&#60;b&#62;`,
}

// A-28, W-08: whatever stands in any field of any view, the page has the elements and
// attributes that it has with an honest text there, and its text is that text.
func TestHostileTextIsText(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	for _, view := range fullViews() {
		for _, path := range textFields(reflect.ValueOf(view), nil) {
			for _, lang := range languages {
				honest := parse(t, render(t, p, lang, with(view, path, "honest")).Body.String())
				for _, s := range hostile {
					page := render(t, p, lang, with(view, path, s)).Body.String()
					if diff := cmp.Diff(skeleton(honest), skeleton(parse(t, page))); diff != "" {
						t.Errorf("%T %v = %q, %s: -honest +hostile\n%s", view, path, s, lang, diff)
					}
					if seen := visible(parse(t, page)); strings.ContainsAny(seen, "\u202e\x00\u2028") {
						t.Errorf("%T %v = %q, %s: turns the text around it: %+q", view, path, s, lang, seen)
					}
				}
			}
		}
	}
}

// visible is what a person can see or hear. The value of a hidden field goes back as it came.
func visible(doc *html.Node) string {
	seen := text(doc)
	for _, e := range elements(doc, "") {
		kind, _ := attr(e, "type")
		for _, name := range []string{"aria-label", "title", "alt", "value"} {
			if value, ok := attr(e, name); ok && kind != "hidden" {
				seen += value
			}
		}
	}
	return seen
}

// The comparison finds what it is there to find.
func TestSkeletonsTellMarkupFromText(t *testing.T) {
	t.Parallel()
	for _, s := range []string{hostile[0], hostile[1], hostile[3], hostile[5], hostile[6]} {
		honest, fooled := parse(t, `<p title="x">x</p>`), parse(t, `<p title="`+s+`">`+s+`</p>`)
		if cmp.Equal(skeleton(honest), skeleton(fooled)) {
			t.Errorf("%q was not seen", s)
		}
	}
}

// skeleton is a page without its texts and values.
func skeleton(doc *html.Node) (all []string) {
	for _, e := range elements(doc, "") {
		line := e.Data
		for _, a := range e.Attr {
			line += " " + a.Key
		}
		all = append(all, line)
	}
	return all
}

// textFields returns the paths to all strings in v, but for those that say what to leave out
// rather than what to show: links, which have a test of their own, codes, and an address.
func textFields(v reflect.Value, path []int) (all [][]int) {
	switch v.Kind() {
	case reflect.String:
		return [][]int{path}
	case reflect.Struct:
		for i := range v.NumField() {
			switch name := v.Type().Field(i).Name; name {
			case "ClientURI", "HomeURI", "Problem", "Done", "Code", "Address":
			default:
				all = append(all, textFields(v.Field(i), append(path[:len(path):len(path)], i))...)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			all = append(all, textFields(v.Index(i), append(path[:len(path):len(path)], i))...)
		}
	}
	return all
}

// with returns a copy of the view that has s at path.
func with(view View, path []int, s string) View {
	v := reflect.New(reflect.TypeOf(view)).Elem()
	v.Set(reflect.ValueOf(view))
	at := v
	for _, i := range path {
		if at.Kind() == reflect.Slice {
			own := reflect.MakeSlice(at.Type(), at.Len(), at.Len())
			reflect.Copy(own, at)
			at.Set(own)
			at = own.Index(i)
			continue
		}
		at = at.Field(i)
	}
	at.SetString(s)
	return v.Interface().(View)
}

// The codes choose texts and must not become more, either.
func TestHostileCodesAreText(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	for _, s := range hostile {
		for _, view := range []View{
			SignIn{FormToken: "f", Problem: Problem(s)},
			Account{FormToken: "f", Problem: Problem(s)},
			Error{Code: s},
			Consent{ClientURI: "https://x.example/" + s},
		} {
			doc := parse(t, render(t, p, "en", view).Body.String())
			if wrong := ruleInline(doc); wrong != nil {
				t.Errorf("%T %q: %q", view, s, wrong)
			}
		}
	}
}

// A-28, W-08: a link that leads elsewhere than to the web is left out.
func TestHostileLinksAreLeftOut(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	for _, uri := range []string{"javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "//evil.example", "http://evil.example"} {
		for _, view := range []View{
			Consent{FormToken: "f", Client: "x", ClientURI: uri}, Error{HomeURI: uri}, SignedOut{Client: "x", HomeURI: uri},
		} {
			if links := elements(parse(t, render(t, p, "en", view).Body.String()), "a"); len(links) != 0 {
				href, _ := attr(links[0], "href")
				t.Errorf("%T %s: link to %s", view, uri, href)
			}
		}
	}
}
