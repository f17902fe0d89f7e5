package main

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/go-authd/authd/rs"
)

// Guard admits calls with a valid bearer token that meets what the method requires. Handlers find it by
// rs.FromContext.
type Guard struct {
	Verifier *rs.Verifier
	// Methods has the full names of all methods that may be called at all.
	Methods map[string][]rs.Requirement
}

// Unary is a grpc.UnaryServerInterceptor.
func (g *Guard) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	ctx, err := g.admit(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return next(ctx, req)
}

// Stream is a grpc.StreamServerInterceptor. The token is checked when the stream begins.
func (g *Guard) Stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	ctx, err := g.admit(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	return next(srv, admitted{stream, ctx})
}

type admitted struct {
	grpc.ServerStream
	ctx context.Context
}

func (s admitted) Context() context.Context { return s.ctx }

func (g *Guard) admit(ctx context.Context, method string) (context.Context, error) {
	requirements, ok := g.Methods[method]
	if !ok {
		return nil, status.Error(codes.PermissionDenied, "nobody may call this method")
	}
	raw, err := bearer(ctx)
	if err != nil {
		return nil, err
	}
	token, err := g.Verifier.Verify(ctx, raw, requirements...)
	if err != nil {
		return nil, refusal(err)
	}
	return rs.NewContext(ctx, token), nil
}

func bearer(ctx context.Context) (string, error) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) != 1 {
		return "", status.Error(codes.Unauthenticated, "one bearer token is wanted")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", status.Error(codes.Unauthenticated, "a bearer token is wanted")
	}
	return token, nil
}

// refusal tells the client which kind of error it is; the reason is for logs.
func refusal(err error) error {
	if errors.Is(err, rs.ErrExpired) {
		return status.Error(codes.Unauthenticated, "token expired")
	}
	if errors.Is(err, rs.ErrRevoked) {
		return status.Error(codes.Unauthenticated, "token revoked")
	}
	if e, ok := errors.AsType[*rs.Error](err); ok {
		switch e.Status {
		case http.StatusForbidden:
			return status.Error(codes.PermissionDenied, "the token's scope does not reach so far")
		case http.StatusServiceUnavailable:
			return status.Error(codes.Unavailable, "tokens cannot be verified now")
		}
	}
	return status.Error(codes.Unauthenticated, "token invalid")
}
