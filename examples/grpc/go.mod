module github.com/go-authd/authd/examples/grpc

go 1.26.0

require (
	github.com/go-authd/authd v0.0.0
	google.golang.org/grpc v1.83.2
)

require (
	github.com/go-jose/go-jose/v4 v4.1.8 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260526163538-3dc84a4a5aaa // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

// gRPC stays out of the go.mod of hosts that embed authd.
replace github.com/go-authd/authd => ../..
