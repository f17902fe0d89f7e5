//go:build !linux

package db

import (
	"net"
	"time"
)

// setUserTimeout: other systems have no such option, or call it otherwise. The deadlines of the
// statements stay.
func setUserTimeout(*net.TCPConn, time.Duration) {}
