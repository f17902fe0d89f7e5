package oauth

import (
	"net/netip"
	"strings"
	"testing"
)

func TestNewDevice(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, address, userAgent string
		want                     Device
	}{
		{"what is in order stays", "192.0.2.7", "Mozilla/5.0 (X11)", Device{netip.MustParseAddr("192.0.2.7"), "Mozilla/5.0 (X11)"}},
		{"nothing stays nothing", "", "", Device{}},
		{"IPv4 in IPv6 is IPv4", "::ffff:192.0.2.7", "", Device{Address: netip.MustParseAddr("192.0.2.7")}},
		{"a zone is of this host alone", "fe80::1%eth0", "", Device{Address: netip.MustParseAddr("fe80::1")}},
		{"H-11: control characters are left out", "", "a\r\nb\x00\x1b[31mc\u0085\u2028d", Device{UserAgent: "ab[31mcd"}},
		{"H-09: what is no UTF-8 is left out", "", "a\xff\xc0\x80b\xed\xa0\x80", Device{UserAgent: "ab"}},
		{"marks that turn the text around are left out", "", "a\u202egpj.exe\u200f", Device{UserAgent: "agpj.exe"}},
		{"other letters stay", "", "앱/1.0 é", Device{UserAgent: "앱/1.0 é"}},
		{"spaces around it do not count", "", "  \t ", Device{}},
		{"256 bytes are kept", "", strings.Repeat("a", 256), Device{UserAgent: strings.Repeat("a", 256)}},
		{"the 257th is not", "", strings.Repeat("a", 257), Device{UserAgent: strings.Repeat("a", 256)}},
		{"no character is cut in two", "", strings.Repeat("a", 254) + "앱b", Device{UserAgent: strings.Repeat("a", 254)}},
		{"a header of any length", "", strings.Repeat("\x01", 1<<20) + "a", Device{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var address netip.Addr
			if tt.address != "" {
				address = netip.MustParseAddr(tt.address)
			}

			if got := NewDevice(address, tt.userAgent); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
