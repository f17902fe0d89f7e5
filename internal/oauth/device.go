package oauth

import (
	"net/netip"
	"strings"
	"unicode"
)

// Device is where a request came from, as far as the host wants that kept. It is personal
// data: it stands in no log and no event, and goes with the family's row.
type Device struct {
	Address   netip.Addr // without a zone; the zero value for none
	UserAgent string     // at most [MaxUserAgent] bytes of printable UTF-8
}

// MaxUserAgent is in bytes; a constraint in the schema holds it, too.
const MaxUserAgent = 256

// NewDevice keeps what may be kept: an address without its zone, IPv4 as IPv4; of the user
// agent what is printable, cut off between two characters.
func NewDevice(address netip.Addr, userAgent string) Device {
	return Device{Address: address.Unmap().WithZone(""), UserAgent: Printable(userAgent, MaxUserAgent)}
}

// Printable leaves out what is no UTF-8, control characters, and what changes the direction
// of the text around it.
func Printable(s string, most int) string {
	var b strings.Builder
	for _, r := range s[:min(len(s), 4*most)] { // what a client sends may be much longer
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			continue
		}
		if b.Len()+len(string(r)) > most {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// Network is what counts as one where addresses are counted: an IPv4 address, and of IPv6 the
// 64 bits that one connection is given. a must be valid.
func Network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(a, bits).Masked()
}
