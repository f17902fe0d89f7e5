package db_test

import (
	"net"
	"syscall"
	"testing"
)

// F-16: the kernel ends a connection whose peer has fallen silent within fifteen seconds,
// whether bytes are under way or none.
func TestConnectionsAreWatched(t *testing.T) {
	t.Parallel()
	var door doorman
	door.code.Store("open")
	var c clock
	conn, err := poolAt(t, door.listen(t), &c, asConfigured).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	raw, err := conn.Conn().PgConn().Conn().(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	option := func(level, name int) (value int) {
		t.Helper()
		var failed error
		if err := raw.Control(func(fd uintptr) { value, failed = syscall.GetsockoptInt(int(fd), level, name) }); err != nil || failed != nil {
			t.Fatal(err, failed)
		}
		return value
	}

	if option(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE) == 0 {
		t.Error("no keepalive")
	}
	idle := option(syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE)
	idle += option(syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL) * option(syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT)
	if idle > 15 {
		t.Errorf("an idle connection is given up after %d s", idle)
	}
	if ms := option(syscall.IPPROTO_TCP, 0x12 /* TCP_USER_TIMEOUT */); ms == 0 || ms > 15_000 {
		t.Errorf("bytes without acknowledgement end a connection after %d ms", ms)
	}
}
