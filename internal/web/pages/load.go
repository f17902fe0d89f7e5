package pages

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

//go:embed templates
var embedded embed.FS

const layoutFile = "layout.html"

// files are those of the host and ours, by name.
type files struct {
	pages  map[string]string // layout.html among them
	static map[string][]byte // without the folder
}

func load(override fs.FS) (files, error) {
	ours, err := fs.Sub(embedded, "templates")
	if err != nil {
		return files{}, err
	}
	all := files{pages: map[string]string{}, static: map[string][]byte{}}
	if err := all.add(ours, nil); err != nil || override == nil {
		return all, err
	}
	return all, all.add(override, slices.Sorted(maps.Keys(all.pages)))
}

// add takes the files of from. Unless known is nil, a page must be one of it: else a name
// that is misspelt would be passed over in silence.
func (f files) add(from fs.FS, known []string) error {
	names, err := fs.Glob(from, "*.html")
	if err != nil {
		return err
	}
	for _, name := range names {
		if known != nil && !slices.Contains(known, name) {
			return fmt.Errorf("%s: there is no such page; there are %s", name, strings.Join(known, ", "))
		}
		b, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		f.pages[name] = string(b)
	}
	return f.addStatic(from)
}

func (f files) addStatic(from fs.FS) error {
	entries, err := fs.ReadDir(from, "static")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		b, err := fs.ReadFile(from, path.Join("static", e.Name()))
		if err != nil {
			return err
		}
		f.static[e.Name()] = b
	}
	return err
}

// parse makes each page a set of its own with the layout, in each language: what they define
// is apart, and the functions know the language.
func (p *Pages) parse(sources map[string]string) (map[string]map[string]*template.Template, error) {
	all := map[string]map[string]*template.Template{}
	for _, lang := range languages {
		all[lang] = map[string]*template.Template{}
		layout, err := template.New(layoutFile).Funcs(p.functions(lang)).Parse(sources[layoutFile])
		if err != nil {
			return nil, err // names the file and the line
		}
		for name, source := range sources {
			if name == layoutFile {
				continue
			}
			if all[lang][name], err = template.Must(layout.Clone()).New(name).Parse(source); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

func (p *Pages) functions(lang string) template.FuncMap {
	c := catalogue(lang)
	return template.FuncMap{
		"lang":    func() string { return lang },
		"site":    func() string { return p.site },
		"static":  p.static.url,
		"t":       c.text,
		"around":  c.around,
		"problem": c.problem,
		"scope":   c.scope,
		"failure": c.failure,
		"ago":     c.ago,
		"date":    c.date,
		"agent":   agent,
	}
}

// rehearse executes every page with a view that has everything and with one that has nothing.
func (p *Pages) rehearse() error {
	for _, lang := range languages {
		for _, v := range slices.Concat(fullViews(), emptyViews()) {
			if _, err := p.execute(lang, v.page()); err != nil {
				return err
			}
		}
	}
	return nil
}
