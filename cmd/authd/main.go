// Command authd runs the authorization server and manages what is in its database.
//
// It is package authd plus flags: whatever it does, a program that embeds the package can do.
package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands is the command line: a field per command group, each in a file of its own.
type commands struct {
	JSON        bool             `name:"json" env:"AUTHD_JSON" help:"Print JSON and nothing else on stdout, errors as JSON on stderr."`
	Config      configFile       `name:"config" env:"AUTHD_CONFIG" placeholder:"FILE" help:"YAML file with settings; its keys are the names of flags."`
	ShowVersion kong.VersionFlag `name:"version" help:"Print the version."`

	Serve    serveCmd    `cmd:"" help:"Run the server."`
	Migrate  migrateCmd  `cmd:"" help:"Bring the database's schema to the version that this build needs, or tell its state."`
	Clients  clientsCmd  `cmd:"" help:"Register and manage clients."`
	Users    usersCmd    `cmd:"" help:"Manage the built-in user store."`
	Keys     keysCmd     `cmd:"" help:"Show, rotate, revoke and rewrap signing keys."`
	KEK      kekCmd      `cmd:"" name:"kek" help:"Make and check key-encryption keys."`
	Families familiesCmd `cmd:"" help:"List and revoke token families: what descends from one sign-in."`
	Sessions sessionsCmd `cmd:"" help:"List and end sessions: where a person is signed in in a browser."`
	Consents consentsCmd `cmd:"" help:"List and withdraw what a person has allowed applications."`
	Token    tokenCmd    `cmd:"" help:"Look into tokens."`
	Doctor   doctorCmd   `cmd:"" help:"Check clock, database, schema, keys and issuer."`
	Demo     demoCmd     `cmd:"" help:"Show the whole life of a token, on a server of its own, in a few seconds."`
	Version  versionCmd  `cmd:"" help:"Print the version of this build."`
}

const description = `An OAuth 2.0 authorization server on PostgreSQL.

Flags may stand anywhere. Settings (the flags that show $AUTHD_… below) may also come from the environment or, by the name of the flag, from the YAML file of --config; a flag beats the environment, the environment beats the file.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 refused by the state of things.

    authd serve                               # a server and its database, nothing to configure
    authd clients create orders --scope read  # in another terminal: prints the secret once
    curl -u orders:SECRET -d grant_type=client_credentials http://localhost:8080/oauth2/token`

func main() {
	for _, v := range os.Environ() { // an empty variable is none: compose files pass such
		if name, value, _ := strings.Cut(v, "="); value == "" && strings.HasPrefix(name, "AUTHD_") {
			_ = os.Unsetenv(name)
		}
	}
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// app is what commands work with.
type app struct {
	ctx    context.Context // ends with SIGINT or SIGTERM
	json   bool
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// run returns the exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{ctx: ctx, json: slices.Contains(args, "--json"), stdin: stdin, stdout: stdout, stderr: stderr}
	err := a.run(args)
	if err == nil {
		return 0
	}
	p := explain(err)
	p.print(a.stderr, a.json)
	return p.exit
}

func (a *app) run(args []string) error {
	var c commands
	parser, err := kong.New(&c, kong.Name("authd"), kong.Description(description), kong.Writers(a.stdout, a.stderr),
		kong.Vars{"version": "authd " + buildVersion()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
		kong.ExplicitGroups(flagGroups))
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(flagsLast(args, parser.Model.Node))
	if err != nil {
		return usage(err)
	}
	a.json = c.JSON
	slog.SetDefault(commandLogger()) // what a command did is its output; serve has a logger of its own
	return k.Run(a)
}

// usage makes a parse error a problem that says where help is.
func usage(err error) error {
	command := "authd"
	if parse, ok := errors.AsType[*kong.ParseError](err); ok && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil {
			command = node.FullPath()
		}
	}
	if p, ok := errors.AsType[*problem](err); ok { // of the configuration file: the flag's name adds nothing
		return p
	}
	return &problem{exit: exitUsage, code: "usage", err: err, hints: []string{command + " --help"}}
}
