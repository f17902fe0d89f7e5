package authd

import (
	"fmt"
	"net/http"
	"net/netip"

	"github.com/go-authd/authd/internal/web"
)

// PeerDevice is a [Config.Device] for a server that clients connect to directly. The address
// is that of the connection; behind a proxy it would be the proxy's.
func PeerDevice(r *http.Request) Device { return Device(web.PeerDevice(r)) }

// ProxiedDevice returns a [Config.Device] for a server behind proxies. The address is what
// header says, which every one of the proxies must overwrite, X-Real-IP for example, and of
// X-Forwarded-For the last entry that no proxy of these is. Headers of anybody else are not
// read: a connection from outside of proxies counts as its own address, so that nobody can
// name another one.
func ProxiedDevice(header string, proxies ...netip.Prefix) (func(*http.Request) Device, error) {
	device, err := web.ProxiedDevice(header, proxies)
	if err != nil {
		return nil, fmt.Errorf("authd: %w", err)
	}
	return func(r *http.Request) Device { return Device(device(r)) }, nil
}
