package ask

import (
	"context"
	"crypto/tls"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// askGRPC asks grpc.health.v1.Health/Check on a connection of its own.
func (q *questions) askGRPC(ctx context.Context, address string, check spec.GRPCCheck) release.Result {
	service, timeout := q.fill(check.Service), orTen(check.Timeout)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	secure := insecure.NewCredentials()
	if check.TLS {
		secure = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) //nolint:gosec // instances are asked by their addresses, which no certificate names
	}
	conn, err := grpc.NewClient("passthrough:///"+atPort(address, check.Port), grpc.WithTransportCredentials(secure),
		grpc.WithNoProxy(), grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<16)))
	if err != nil {
		return unknown(grpcBound(service), "can't be asked: %v", err)
	}
	defer func() { _ = conn.Close() }() // it fails only when it is closed already
	answer, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: service})
	return judgeGRPC(service, answer.GetStatus(), err, fmt.Sprintf("no answer within %s", timeout))
}

// judgeGRPC is the verdict on an answer of the health protocol
// (https://github.com/grpc/grpc/blob/master/doc/health-checking.md).
func judgeGRPC(service string, seen healthpb.HealthCheckResponse_ServingStatus, err error, late string) release.Result {
	bound := grpcBound(service)
	switch code := status.Code(err); code {
	case codes.OK:
		if seen == healthpb.HealthCheckResponse_SERVING {
			return passed(bound, "SERVING")
		}
		return failed(bound, "%s", seen)
	case codes.Unimplemented:
		return failed(bound, "the server does not speak grpc.health.v1.Health")
	case codes.NotFound:
		return failed(bound, "the server knows no health of service %q", service)
	case codes.DeadlineExceeded:
		return failed(bound, "%s", late)
	default:
		return failed(bound, "%s: %s", code, status.Convert(err).Message())
	}
}

func grpcBound(service string) string {
	if service == "" {
		return "SERVING"
	}
	return fmt.Sprintf("SERVING for %s", service)
}
