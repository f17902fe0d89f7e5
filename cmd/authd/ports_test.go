package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
)

// Ports for servers that start again at the same one. The system gives none of these to who
// asks for any port (on Linux those begin at 32768), so that nobody takes one while its server
// is away.
const firstPort, ports = 12000, 16000

var lastPort = func() *atomic.Uint32 {
	var n atomic.Uint32
	n.Store(uint32(os.Getpid()) * 101) // elsewhere than another run of these tests
	return &n
}()

// unusedAddress returns each address once.
func unusedAddress() (string, error) {
	for range ports {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+lastPort.Add(1)%ports)
		l, err := net.Listen("tcp", address)
		if err == nil {
			return address, l.Close()
		}
	}
	return "", errors.New("no port is free")
}

func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := unusedAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}
