package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// flagsLast moves the flags of commands behind the words, so that they may stand anywhere:
// kong knows them only after the command. What it does not know it leaves in its place,
// and so is everything after "--". A kid that begins with a dash goes there, too.
func flagsLast(args []string, app *kong.Node) []string {
	takesValue := valueTakers(app)
	var words, flags, kids []string
	for len(args) > 0 && args[0] != "--" {
		arg := args[0]
		args = args[1:]
		if kidWithDash.MatchString(arg) {
			kids = append(kids, arg)
			continue
		}
		name, _, hasValue := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		takes, known := takesValue[name]
		if !strings.HasPrefix(arg, "--") || !known {
			words = append(words, arg)
			continue
		}
		flags = append(flags, arg)
		if takes && !hasValue && len(args) > 0 && !strings.HasPrefix(args[0], "--") {
			flags = append(flags, args[0])
			args = args[1:]
		}
	}
	if len(kids) > 0 {
		args = slices.Concat([]string{"--"}, kids, args[min(1, len(args)):])
	}
	return slices.Concat(words, flags, args)
}

// kidWithDash: one thumbprint of 64 begins so.
var kidWithDash = regexp.MustCompile(`^-[\w-]{42}$`)

// valueTakers has all flags of all commands, and which of them a value follows.
func valueTakers(app *kong.Node) map[string]bool {
	takes := make(map[string]bool)
	_ = kong.Visit(app, func(v kong.Visitable, next kong.Next) error { // nothing fails
		if flag, ok := v.(*kong.Flag); ok {
			takes[flag.Name] = !flag.IsBool()
			if flag.Tag.Negatable != "" {
				takes["no-"+flag.Name] = false
			}
		}
		return next(nil)
	})
	return takes
}
