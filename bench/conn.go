package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// conn is a connection that is kept alive. It speaks as much HTTP as the servers here
// answer with, since net/http's client would take more of the processors than they do.
type conn struct {
	net.Conn
	r    *bufio.Reader
	body []byte
}

func dial(addr string) (*conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, r: bufio.NewReaderSize(c, 16<<10)}, nil
}

// do returns the body of a 200, which is overwritten by the next call; all else is an error.
func (c *conn) do(request []byte) ([]byte, error) {
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	ok := bytes.HasPrefix(line, []byte("HTTP/1.1 200 "))
	status := string(bytes.TrimSpace(line))
	length, err := c.header()
	if err != nil {
		return nil, err
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	if _, err := io.ReadFull(c.r, c.body); err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("answer %s: %s", status, c.body)
	}
	return c.body, nil
}

var contentLength = []byte("Content-Length: ")

// header returns the length of the body, which every answer here names.
func (c *conn) header() (length int, err error) {
	length = -1
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 && length < 0 {
			return 0, fmt.Errorf("answer without a length")
		}
		if len(line) == 0 {
			return length, nil
		}
		if value, ok := bytes.CutPrefix(line, contentLength); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, err
			}
		}
	}
}

func get(path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: as.example\r\n\r\n")
}

// post is a call with Basic credentials.
func post(path string, a account, contentType, body string) []byte {
	r := http.Request{Header: make(http.Header)}
	r.SetBasicAuth(a.id, a.secret)
	return []byte("POST " + path + " HTTP/1.1\r\nHost: as.example\r\nAuthorization: " + r.Header.Get("Authorization") +
		"\r\nContent-Type: " + contentType + "\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

// form takes names and values in turn.
func form(path string, a account, fields ...string) []byte {
	var pairs []string
	for i := 0; i < len(fields); i += 2 {
		pairs = append(pairs, fields[i]+"="+url.QueryEscape(fields[i+1]))
	}
	return post(path, a, "application/x-www-form-urlencoded", strings.Join(pairs, "&"))
}

// member is the text of a member of a JSON object of ours, without escapes.
func member(object []byte, name string) (string, error) {
	_, rest, found := bytes.Cut(object, []byte(`"`+name+`":"`))
	value, _, ended := bytes.Cut(rest, []byte(`"`))
	if !found || !ended {
		return "", fmt.Errorf("no %s in the answer", name)
	}
	return string(value), nil
}
