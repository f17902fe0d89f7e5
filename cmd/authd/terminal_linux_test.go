package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-authd/authd/internal/dbtest"
)

// On a terminal the password is asked for twice, and no echo shows it.
func TestPasswordIsAskedForOnTerminal(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, first, second, wantErr string
		wantUser                     bool
	}{
		{"the same twice", "lovelace's engine weaves", "lovelace's engine weaves", "", true},
		{"different", "lovelace's engine weaves", "lovelace's engine waves", "the passwords differ", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			keyboard, screen := terminal(t)
			cmd := exec.Command("authd", "users", "create", "ada", "--json")
			cmd.Env = append(os.Environ(), "AUTHD_DATABASE_URL="+dbtest.URL(t))
			cmd.Stdin = screen
			var stdout strings.Builder
			cmd.Stdout = &stdout
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}

			r := bufio.NewReader(stderr)
			typeAt(t, r, "Password: ", keyboard, screen, tt.first)
			typeAt(t, r, "Once more: ", keyboard, screen, tt.second)
			rest, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			err = cmd.Wait()

			if (err == nil) != tt.wantUser || !strings.Contains(string(rest), tt.wantErr) || strings.Contains(stdout.String(), `"username": "ada"`) != tt.wantUser {
				t.Errorf("%v, stderr %q, stdout %q", err, rest, stdout.String())
			}
			if shown := onScreen(t, keyboard); strings.Contains(shown, "lovelace") {
				t.Errorf("the terminal shows %q", shown)
			}
		})
	}
}

// typeAt waits for the prompt and for the echo to be off.
func typeAt(t *testing.T, prompts *bufio.Reader, prompt string, keyboard, screen *os.File, text string) {
	t.Helper()
	got := make([]byte, len(prompt))
	for { // a line end stands between the prompts
		c, err := prompts.Peek(1)
		if err != nil {
			t.Fatal(err)
		}
		if c[0] != '\n' {
			break
		}
		_, _ = prompts.Discard(1)
	}
	if _, err := io.ReadFull(prompts, got); err != nil || string(got) != prompt {
		t.Fatalf("got %q, %v, want %q", got, err, prompt)
	}
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for echoes(t, screen) {
		<-again.C
	}
	if _, err := fmt.Fprintln(keyboard, text); err != nil {
		t.Fatal(err)
	}
}

func echoes(t *testing.T, screen *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(screen.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// terminal opens both ends of a pseudo-terminal.
func terminal(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	fd := int(keyboard.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	return keyboard, screen
}

// onScreen is what the terminal has echoed so far.
func onScreen(t *testing.T, keyboard *os.File) string {
	t.Helper()
	fd := int(keyboard.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := unix.Read(fd, b)
	if err != nil && err != unix.EAGAIN {
		t.Fatal(err)
	}
	return string(b[:max(n, 0)])
}
