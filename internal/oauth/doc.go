// Package oauth is the vocabulary that all other packages share: error codes, grant and
// token types, scopes, request parsing, and the nouns Client, User, Family and Key. It
// does no I/O and imports only the standard library.
package oauth
