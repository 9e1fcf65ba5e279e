package ask

import (
	"context"
	"net"
	"strconv"
	"time"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// askTCP opens a connection and closes it.
func askTCP(ctx context.Context, address string, check spec.TCPCheck) release.Result {
	timeout := orTen(check.Timeout)
	bound := "a connection within " + spec.Duration(timeout).String()
	began := time.Now()
	conn, err := (&net.Dialer{Timeout: timeout}).DialContext(ctx, "tcp", atPort(address, check.Port))
	if err != nil {
		return silent(bound, err, timeout)
	}
	_ = conn.Close() // only that it opened counts
	return passed(bound, "connected in %s", time.Since(began).Round(time.Millisecond))
}

// atPort is the address with another port; 0 leaves it as it is.
func atPort(address string, port int) string {
	if port == 0 {
		return address
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address // without a port
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}
