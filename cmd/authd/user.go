package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/go-authd/authd"
)

type usersCmd struct {
	Create      usersCreateCmd      `cmd:"" help:"Create a user."`
	List        usersListCmd        `cmd:"" help:"List the users."`
	Disable     usersDisableCmd     `cmd:"" help:"Refuse a user from now on and end all that was granted."`
	Enable      usersEnableCmd      `cmd:"" help:"Let a disabled user sign in again."`
	SetPassword usersSetPasswordCmd `cmd:"" help:"Set a password and end all that was granted."`
}

type userName struct {
	Name string `arg:"" help:"User name."`
}

type userJSON struct {
	Sub        string     `json:"sub"`
	Username   string     `json:"username"`
	Email      string     `json:"email"`
	Name       string     `json:"name"`
	CreatedAt  time.Time  `json:"created_at"`
	DisabledAt *time.Time `json:"disabled_at"`
}

func toUserJSON(u authd.User) userJSON {
	return userJSON{u.Subject, u.Username, u.Email, u.Name, u.CreatedAt.UTC(), utc(u.DisabledAt)}
}

func (a *app) showUser(u authd.User) error {
	return a.show(toUserJSON(u), func(w io.Writer) {
		facts(w, "sub", u.Subject, "username", u.Username, "email", u.Email, "name", u.Name, "created_at", at(u.CreatedAt), "disabled_at", orNever(u.DisabledAt))
	})
}

func namedUser(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("user %q: %w", name, err)
}

// passwordFlags read a password from where neither ps nor the shell's history sees it.
type passwordFlags struct {
	Stdin bool `name:"password-stdin" help:"Read the password from the first line of stdin. Without it, it is asked for."`
}

func (f *passwordFlags) read(a *app) (string, error) {
	if f.Stdin {
		return firstLine(a.stdin)
	}
	in, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", wrongUse("add --password-stdin, and the password on stdin", "stdin is no terminal to ask for the password")
	}
	first, err := ask(a, in, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := ask(a, in, "Once more: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", wrongUse("try again", "the passwords differ")
	}
	return first, nil
}

// firstLine takes the line whole, spaces and all, as long as a password may be.
func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 64<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if line == "" {
		return "", wrongUse("printf '%s\\n' \"$PASSWORD\" | authd users … --password-stdin", "stdin holds no password")
	}
	return line, nil
}

func ask(a *app, in *os.File, prompt string) (string, error) {
	fmt.Fprint(a.stderr, prompt)
	b, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(a.stderr)
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	return string(b), nil
}

type usersCreateCmd struct {
	userName
	passwordFlags
	Email    string `placeholder:"ADDRESS" help:"For clients that ask for the scope email; authd does not verify it."`
	FullName string `name:"full-name" placeholder:"TEXT" help:"For clients that ask for the scope profile."`
	databaseFlags
}

// Help teaches.
func (usersCreateCmd) Help() string {
	return `The password is asked for, or read from stdin; as an argument every user of the machine would see it.

    authd users create ada
    authd users create ada --password-stdin < password.txt
    authd users create ada --email ada@example.com --full-name "Ada Lovelace"`
}

// Run creates.
func (c *usersCreateCmd) Run(a *app) error {
	password, err := c.read(a)
	if err != nil {
		return err
	}
	return c.admin(a.ctx, func(admin *authd.Admin) error {
		u, err := admin.CreateUser(a.ctx, authd.NewUser{Username: c.Name, Password: password, Email: c.Email, Name: c.FullName})
		if err != nil {
			return namedUser(c.Name, err)
		}
		return a.showUser(u)
	})
}

type usersListCmd struct{ databaseFlags }

// Help teaches.
func (usersListCmd) Help() string { return "For example:\n\n    authd users list" }

// Run lists.
func (c *usersListCmd) Run(a *app) error {
	return c.admin(a.ctx, func(admin *authd.Admin) error {
		users, err := admin.Users(a.ctx)
		if err != nil {
			return err
		}
		return a.show(convert(users, toUserJSON), func(w io.Writer) {
			table(w, "SUB USERNAME CREATED DISABLED", convert(users, func(u authd.User) []string {
				return []string{u.Subject, u.Username, at(u.CreatedAt), maybe(u.DisabledAt)}
			}))
		})
	})
}

// afterUser does something to a user and shows what it then is.
func (f *databaseFlags) afterUser(a *app, name string, do func(*authd.Admin) error) error {
	return f.admin(a.ctx, func(admin *authd.Admin) error {
		if err := do(admin); err != nil {
			return namedUser(name, err)
		}
		u, err := admin.User(a.ctx, name)
		if err != nil {
			return namedUser(name, err)
		}
		return a.showUser(u)
	})
}

type usersDisableCmd struct {
	userName
	databaseFlags
}

// Help teaches.
func (usersDisableCmd) Help() string { return "For example:\n\n    authd users disable ada" }

// Run disables.
func (c *usersDisableCmd) Run(a *app) error {
	return c.afterUser(a, c.Name, func(admin *authd.Admin) error { return admin.DisableUser(a.ctx, c.Name) })
}

type usersEnableCmd struct {
	userName
	databaseFlags
}

// Help teaches.
func (usersEnableCmd) Help() string {
	return "What disabling ended stays ended.\n\n    authd users enable ada"
}

// Run enables.
func (c *usersEnableCmd) Run(a *app) error {
	return c.afterUser(a, c.Name, func(admin *authd.Admin) error { return admin.EnableUser(a.ctx, c.Name) })
}

type usersSetPasswordCmd struct {
	userName
	passwordFlags
	databaseFlags
}

// Help teaches.
func (usersSetPasswordCmd) Help() string {
	return "It also lifts the throttle of failed sign-ins.\n\n    authd users set-password ada"
}

// Run sets.
func (c *usersSetPasswordCmd) Run(a *app) error {
	password, err := c.read(a)
	if err != nil {
		return err
	}
	return c.afterUser(a, c.Name, func(admin *authd.Admin) error { return admin.SetPassword(a.ctx, c.Name, password) })
}
