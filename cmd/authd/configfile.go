package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// configFile is the value of --config. Reading it before flags are resolved lets it fill
// those that neither the command line nor the environment has set.
type configFile string

// BeforeResolve reads and checks the whole file, also what this command does not use, so
// that a mistake in it shows at the first command and not at the next start of the server.
func (configFile) BeforeResolve(k *kong.Kong, ctx *kong.Context, trace *kong.Path) error {
	path, ok := ctx.FlagValue(trace.Flag).(configFile)
	if !ok || path == "" {
		return nil
	}
	f, err := readConfig(string(path), settingsOf(k.Model.Node))
	if err != nil {
		return &problem{exit: exitUsage, code: "config", err: err, hints: []string{"keys are the names of flags: authd serve --help"}}
	}
	ctx.AddResolver(f)
	return nil
}

// settingsOf returns the flags of all commands that a file may set, by name.
func settingsOf(n *kong.Node) map[string]*kong.Flag {
	flags := make(map[string]*kong.Flag)
	_ = kong.Visit(n, func(v kong.Visitable, next kong.Next) error { // nothing fails
		if flag, ok := v.(*kong.Flag); ok && len(flag.Envs) > 0 && flag.Name != "config" {
			flags[flag.Name] = flag
		}
		return next(nil)
	})
	return flags
}

// config resolves flags from the file.
type config map[string]any

// Validate has nothing left to do: see readConfig.
func (config) Validate(*kong.Application) error { return nil }

// Resolve leaves what the environment has set alone: kong would let the file win.
func (c config) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return nil, nil
		}
	}
	if len(flag.Envs) == 0 {
		return nil, nil
	}
	return c[flag.Name], nil
}

func readConfig(path string, flags map[string]*kong.Flag) (config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, plain(err))
	}
	c := make(config)
	if len(file.Docs) > 1 {
		return nil, fmt.Errorf("%s: has more than one document", path)
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return c, nil
	}
	pairs, err := pairsOf(file.Docs[0].Body)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	for _, pair := range pairs {
		if err := c.set(pair, flags); err != nil {
			return nil, fmt.Errorf("%s:%w", path, err)
		}
	}
	return c, nil
}

func pairsOf(body ast.Node) ([]*ast.MappingValueNode, error) {
	switch n := body.(type) {
	case *ast.MappingNode:
		return n.Values, nil
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, nil
	case *ast.NullNode, *ast.CommentGroupNode:
		return nil, nil
	}
	return nil, errorAt(body.GetToken(), "expected lines of the form key: value")
}

// set checks the value as the flag would.
func (c config) set(pair *ast.MappingValueNode, flags map[string]*kong.Flag) error {
	name := pair.Key.GetToken().Value
	flag, ok := flags[name]
	if !ok {
		return errorAt(pair.Key.GetToken(), "unknown key %q", name)
	}
	at := pair.Key.GetToken()
	if _, ok := pair.Value.(ast.ScalarNode); ok {
		at = pair.Value.GetToken()
	}
	value, err := valueOf(pair.Value)
	if err == nil && value != nil {
		err = try(flag, value)
	}
	if err != nil {
		return errorAt(at, "%s: %s", name, err)
	}
	c[name] = value
	return nil
}

// valueOf returns text as it stands, since flags parse text; nil for no value.
func valueOf(n ast.Node) (any, error) {
	switch n := n.(type) {
	case *ast.NullNode:
		return nil, nil
	case *ast.SequenceNode:
		values := make([]any, 0, len(n.Values))
		for _, item := range n.Values {
			if _, ok := item.(ast.ScalarNode); !ok {
				return nil, errors.New("expected plain values in the list")
			}
			values = append(values, text(item))
		}
		return values, nil
	case ast.ScalarNode:
		return text(n), nil
	}
	return nil, errors.New("expected a value or a list of values")
}

// text is the source's: 0755 and 1e3 stay what they are.
func text(n ast.Node) string {
	if s, ok := n.(*ast.StringNode); ok {
		return s.Value
	}
	if s, ok := n.(*ast.LiteralNode); ok {
		return s.Value.Value
	}
	return n.GetToken().Value
}

// try parses value as flag, and forgets it.
func try(flag *kong.Flag, value any) error {
	if _, ok := value.([]any); ok && !flag.IsSlice() {
		return errors.New("takes one value, not a list")
	}
	set := flag.Set
	defer func() { flag.Set = set }()
	target := reflect.New(flag.Target.Type()).Elem()
	err := flag.Parse(kong.Scan().PushTyped(value, kong.FlagValueToken), target)
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), flag.ShortSummary()+": "))
	}
	if flag.Enum != "" && !flag.EnumMap()[fmt.Sprint(value)] {
		return fmt.Errorf("must be one of %s", strings.Join(flag.EnumSlice(), ", "))
	}
	return nil
}

func errorAt(t *token.Token, format string, args ...any) error {
	return fmt.Errorf("%d:%d: %s", t.Position.Line, t.Position.Column, fmt.Sprintf(format, args...))
}

// plain is the first line of a syntax error, which goes on with a piece of the file.
func plain(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(line)
}
