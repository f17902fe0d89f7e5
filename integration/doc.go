// Package integration tests authd's container image and its database code against PostgreSQL in
// containers. It is a module of its own, so that a host that embeds authd does not get
// testcontainers-go. scripts/integration sets up the engine and the images, and runs it.
package integration
