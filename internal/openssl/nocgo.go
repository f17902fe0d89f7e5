//go:build openssl && !cgo

package openssl

// Nobody declares this name: the build ends here instead of signing with less than was asked for.
var _ = tagOpensslNeedsCgoAndACompiler
