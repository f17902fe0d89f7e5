package outbound

import (
	"fmt"
	"net/netip"
)

// reserved are the blocks of IPv4 that lead nowhere or to somewhere private (RFC 6890 and
// its registry), beside those that netip knows, and a public address that a cloud gives to
// a service of the machine's own.
var reserved = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "168.63.129.16/32",
)

// Of IPv6 the block that is given out is public (RFC 4291 §2.4), less what carries an IPv4
// address, is for documents or for protocols.
var (
	global6   = netip.MustParsePrefix("2000::/3")
	reserved6 = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// Public returns an error for an address that is not on the open Internet, and for a port
// that no web server for the public uses.
func Public(to netip.AddrPort) error {
	if p := to.Port(); p != 443 && p != 8443 {
		return fmt.Errorf("port %d is not 443 or 8443", p)
	}
	if !IsPublic(to.Addr()) {
		return fmt.Errorf("%s is not a public address", to.Addr())
	}
	return nil
}

// loopback returns an error for an address of another machine.
func loopback(to netip.AddrPort) error {
	if !to.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("%s is not a loopback address", to.Addr())
	}
	return nil
}

// IsPublic: a is on the open Internet.
func IsPublic(a netip.Addr) bool {
	if a.Zone() != "" {
		return false
	}
	a = a.Unmap() // ::ffff:127.0.0.1 is 127.0.0.1
	if a.Is4() {
		return a.IsGlobalUnicast() && !a.IsPrivate() && !within(reserved, a)
	}
	return global6.Contains(a) && !within(reserved6, a)
}

func within(blocks []netip.Prefix, a netip.Addr) bool {
	for _, b := range blocks {
		if b.Contains(a) {
			return true
		}
	}
	return false
}
