package pages

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Each rule holds of every page: what is wrong is returned as a sentence.
var rules = map[string]func(doc *html.Node) []string{
	"the page says its language, title and width":          ruleHead,
	"there is one main part, one header and one heading":   ruleLandmarks,
	"ids are unique, and what refers to one finds it":      ruleIDs,
	"a field has a label, and takes what is pasted (W-20)": ruleFields,
	"every form is a POST with the form's token":           ruleForms,
	"at most one field takes the focus, and it is empty":   ruleFocus,
	"nothing is inline (A-12, W-08)":                       ruleInline,
	"nothing comes from elsewhere (A-12)":                  ruleOrigin,
	"a button says what it does":                           ruleButtons,
}

func TestMarkup(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	for name, view := range goldens() {
		for _, lang := range languages {
			doc := parse(t, render(t, p, lang, view).Body.String())
			for _, rule := range slices.Sorted(maps.Keys(rules)) {
				for _, complaint := range rules[rule](doc) {
					t.Errorf("%s, %s: %s: %s", name, lang, rule, complaint)
				}
			}
		}
	}
}

// The rules are worth what they catch.
func TestMarkupRulesCatch(t *testing.T) {
	t.Parallel()
	tests := []struct{ rule, page string }{
		{"the page says its language, title and width", `<html><head><title>x</title></head>`},
		{"there is one main part, one header and one heading", `<main><h1>a</h1><h1>b</h1></main><header></header>`},
		{"ids are unique, and what refers to one finds it", `<p id="a"><p id="a">`},
		{"ids are unique, and what refers to one finds it", `<label for="x">`},
		{"ids are unique, and what refers to one finds it", `<input aria-describedby="x">`},
		{"a field has a label, and takes what is pasted (W-20)", `<input id="x" autocomplete="username">`},
		{"a field has a label, and takes what is pasted (W-20)", `<label for="x">X</label><input id="x">`},
		{"a field has a label, and takes what is pasted (W-20)", `<label for="x">X</label><input id="x" type="password" maxlength="20" autocomplete="new-password">`},
		{"a field has a label, and takes what is pasted (W-20)", `<label for="x">X</label><input id="x" type="text" autocomplete="new-password">`},
		{"every form is a POST with the form's token", `<form action="/x"></form>`},
		{"every form is a POST with the form's token", `<form method="post" action="/x"></form>`},
		{"at most one field takes the focus, and it is empty", `<input autofocus><input autofocus>`},
		{"nothing is inline (A-12, W-08)", `<p style="color:red">`},
		{"nothing is inline (A-12, W-08)", `<style>p{}</style>`},
		{"nothing is inline (A-12, W-08)", `<script>x()</script>`},
		{"nothing is inline (A-12, W-08)", `<body onload="x()">`},
		{"nothing comes from elsewhere (A-12)", `<img src="https://cdn.example/x.png">`},
		{"nothing comes from elsewhere (A-12)", `<link rel="stylesheet" href="//cdn.example/x.css">`},
		{"a button says what it does", `<button type="submit"></button>`},
		{"a button says what it does", `<button type="submit" aria-label="Close">End</button>`},
	}
	for _, tt := range tests {
		if len(rules[tt.rule](parse(t, tt.page))) == 0 {
			t.Errorf("%s: nothing was said about %s", tt.rule, tt.page)
		}
	}
}

func ruleHead(doc *html.Node) (wrong []string) {
	lang, _ := attr(elements(doc, "html")[0], "lang")
	if !slices.Contains(languages, lang) {
		wrong = append(wrong, "lang="+lang)
	}
	if titles := elements(doc, "title"); len(titles) != 1 || strings.HasPrefix(text(titles[0]), "·") {
		wrong = append(wrong, "no title")
	}
	for name, want := range map[string]string{"viewport": "width=device-width, initial-scale=1", "color-scheme": "light dark"} {
		if !slices.ContainsFunc(elements(doc, "meta"), func(m *html.Node) bool {
			n, _ := attr(m, "name")
			content, _ := attr(m, "content")
			return n == name && content == want
		}) {
			wrong = append(wrong, "no meta "+name)
		}
	}
	return wrong
}

func ruleLandmarks(doc *html.Node) (wrong []string) {
	for _, name := range []string{"main", "header", "h1"} {
		if found := elements(doc, name); len(found) != 1 || name != "header" && text(found[0]) == "" {
			wrong = append(wrong, name)
		}
	}
	return wrong
}

func ruleIDs(doc *html.Node) (wrong []string) {
	seen := map[string]bool{}
	for _, e := range elements(doc, "") {
		if id, ok := attr(e, "id"); ok {
			if seen[id] || id == "" {
				wrong = append(wrong, "twice: "+id)
			}
			seen[id] = true
		}
	}
	for _, e := range elements(doc, "") {
		for _, name := range []string{"for", "aria-describedby", "aria-labelledby"} {
			refs, _ := attr(e, name)
			for ref := range strings.FieldsSeq(refs) {
				if !seen[ref] {
					wrong = append(wrong, name+" finds no "+ref)
				}
			}
		}
	}
	return wrong
}

func ruleFields(doc *html.Node) (wrong []string) {
	labels := map[string]string{}
	for _, l := range elements(doc, "label") {
		id, _ := attr(l, "for")
		labels[id] = text(l)
	}
	for _, in := range elements(doc, "input") {
		kind, _ := attr(in, "type")
		id, _ := attr(in, "id")
		if _, hidden := attr(in, "hidden"); kind == "hidden" || hidden {
			continue
		}
		if labels[id] == "" {
			wrong = append(wrong, "no label for "+id)
		}
		if hint, _ := attr(in, "autocomplete"); !slices.Contains([]string{"username", "current-password", "new-password"}, hint) {
			wrong = append(wrong, "autocomplete of "+id)
		}
		if hint, _ := attr(in, "autocomplete"); strings.HasSuffix(hint, "-password") != (kind == "password") {
			wrong = append(wrong, "type of "+id)
		}
		if _, cut := attr(in, "maxlength"); cut && kind == "password" { // a paste would be cut off in silence
			wrong = append(wrong, "maxlength of "+id)
		}
	}
	return wrong
}

func ruleForms(doc *html.Node) (wrong []string) {
	for _, f := range elements(doc, "form") {
		method, _ := attr(f, "method")
		action, _ := attr(f, "action")
		if method != "post" || action == "" {
			wrong = append(wrong, method+" "+action)
		}
		toClient := strings.HasPrefix(action, "https://")
		if !toClient && !slices.ContainsFunc(elements(f, "input"), func(in *html.Node) bool {
			name, _ := attr(in, "name")
			value, _ := attr(in, "value")
			return name == FieldToken && value != ""
		}) {
			wrong = append(wrong, "no token to "+action)
		}
	}
	return wrong
}

func ruleFocus(doc *html.Node) (wrong []string) {
	n := 0
	for _, e := range elements(doc, "") {
		if _, ok := attr(e, "autofocus"); !ok {
			continue
		}
		n++
		value, _ := attr(e, "value")
		if _, invalid := attr(e, "aria-invalid"); value != "" && !invalid {
			wrong = append(wrong, "filled in: "+value)
		}
	}
	if n > 1 {
		wrong = append(wrong, "several")
	}
	return wrong
}

func ruleInline(doc *html.Node) (wrong []string) {
	for _, e := range elements(doc, "") {
		if e.Data == "style" || e.Data == "script" && e.FirstChild != nil || e.Data == "base" {
			wrong = append(wrong, "<"+e.Data+">")
		}
		for _, a := range e.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				wrong = append(wrong, e.Data+" "+a.Key)
			}
		}
	}
	return wrong
}

func ruleOrigin(doc *html.Node) (wrong []string) {
	for _, e := range elements(doc, "") {
		if e.Data == "a" { // a link loads nothing
			continue
		}
		for _, name := range []string{"src", "href", "srcset", "data", "poster"} {
			if uri, ok := attr(e, name); ok && (!strings.HasPrefix(uri, "/") || strings.HasPrefix(uri, "//")) {
				wrong = append(wrong, e.Data+" "+uri)
			}
		}
	}
	return wrong
}

// ruleButtons: a label contains what is read on the button (WCAG 2.5.3).
func ruleButtons(doc *html.Node) (wrong []string) {
	for _, b := range elements(doc, "button") {
		kind, _ := attr(b, "type")
		label, ok := attr(b, "aria-label")
		if kind != "submit" || text(b) == "" || ok && !strings.Contains(label, text(b)) {
			wrong = append(wrong, label+" "+text(b))
		}
	}
	return wrong
}

// The handlers read the fields by these names.
func TestFormsSendTheFieldsOfTheConstants(t *testing.T) {
	t.Parallel()
	sent := map[string][]string{}
	for _, v := range fullViews() {
		if _, ok := v.(FormPost); ok {
			continue
		}
		doc := parse(t, render(t, newPages(t, nil), "en", v).Body.String())
		for _, e := range slices.Concat(elements(doc, "input"), elements(doc, "button")) {
			if name, ok := attr(e, "name"); ok {
				value, _ := attr(e, "value")
				sent[name] = append(sent[name], value)
			}
		}
	}
	want := []string{
		FieldToken, FieldRequest, FieldUsername, FieldPassword, FieldAgain, FieldCurrent, FieldNewPassword, FieldDecision, FieldDo, FieldID,
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(sent)); !slices.Equal(got, want) {
		t.Errorf("fields: %q, want %q", got, want)
	}
	for field, values := range map[string][]string{
		FieldDecision: {Allow, Deny, Switch},
		FieldDo:       {DoEnd, DoEndOthers, DoRemove, DoPassword, DoSignOut},
	} {
		slices.Sort(values)
		if got := slices.Compact(slices.Sorted(slices.Values(sent[field]))); !slices.Equal(got, values) {
			t.Errorf("%s: %q, want %q", field, got, values)
		}
	}
}
