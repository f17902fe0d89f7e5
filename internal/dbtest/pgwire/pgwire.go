// Package pgwire reads what a client sends to PostgreSQL message by message, for proxies that
// know where to cut.
package pgwire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

// Message of a client (PostgreSQL 15, §55.7): its type, 0 for those that open a connection,
// and all its bytes.
type Message struct {
	Kind  byte
	Bytes []byte
}

// maxMessage bounds what is taken for a message.
const maxMessage = 1 << 24

// ReadMessage returns the next message whole. opened: the one that opens a connection has
// been read.
func ReadMessage(r *bufio.Reader, opened bool) (m Message, err error) {
	header := make([]byte, 4, 5) // the length, which counts itself
	if opened {
		header = header[:5]
	}
	if _, err := io.ReadFull(r, header); err != nil {
		return m, err
	}
	if opened {
		m.Kind = header[0]
	}
	size := int(binary.BigEndian.Uint32(header[len(header)-4:])) - 4
	if size < 0 || size > maxMessage {
		return m, errors.New("no message of PostgreSQL")
	}
	m.Bytes = slices.Grow(header, size)[:len(header)+size]
	_, err = io.ReadFull(r, m.Bytes[len(header):])
	return m, err
}

// IsAnswered: the server sends what it has to say. To a message that is not, it says nothing
// before one that is: whether it is passed on is all that can differ.
func (m Message) IsAnswered() bool { return m.Kind == 'S' || m.Kind == 'Q' || m.Kind == 'H' }
