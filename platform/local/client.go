// Package local is the embedded platform: a client of the local cloud daemon
// (package cloud), which runs fleets as processes behind a proxy on this machine.
// The client holds no state; it may be made anew at any time and any number may
// talk to one daemon.
package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/local/cloud"
)

// Name is the platform's name in a spec.
const Name = "local"

// Bounds of one call. Retire waits for the instances to drain and end.
const (
	callTimeout   = 30 * time.Second
	retireTimeout = 90 * time.Second
	maxAnswer     = 16 << 20
)

// Client talks to one local cloud daemon.
type Client struct {
	dir  string // the endpoint is looked up here at each call, so that a restarted daemon is found
	url  string // fixed endpoint when dir is empty
	http *http.Client
}

// Open makes a client from the daemon's URL ("http://127.0.0.1:…") or its directory.
// It does not connect; with a directory the daemon may start later, or again.
func Open(endpointOrDir string) (*Client, error) {
	c := &Client{http: &http.Client{
		Transport: &http.Transport{
			Proxy:       nil,
			DialContext: (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
			// A kept connection that a restarted daemon has closed would make a call ambiguous
			// that never arrived.
			DisableKeepAlives: true,
		},
	}}
	switch {
	case endpointOrDir == "":
		return nil, errors.New("open the local cloud: no endpoint and no directory given (pass its URL or its directory)")
	case strings.HasPrefix(endpointOrDir, "http://"):
		c.url = strings.TrimSuffix(endpointOrDir, "/")
	default:
		c.dir = endpointOrDir
	}
	return c, nil
}

// New is the platform of the daemon at the URL or in the directory given.
func New(endpointOrDir string) (platform.Platform, error) {
	c, err := Open(endpointOrDir)
	if err != nil {
		return platform.Platform{}, err
	}
	return c.Platform(), nil
}

// Platform is the ports on this client.
func (c *Client) Platform() platform.Platform {
	return platform.Platform{Name: Name, Images: images{c}, Fleets: fleets{c}, Router: router{c}}
}

type call struct {
	op, resource string // for errors
	method, path string
	body, out    any
	timeout      time.Duration
}

func (c *Client) endpoint() (string, error) {
	if c.dir == "" {
		return c.url, nil
	}
	e, err := cloud.ReadEndpoint(c.dir)
	return e.URL, err
}

// do sends one call. It is ambiguous when a change was sent and its answer was lost;
// it is certain that nothing happened when the daemon could not be reached.
func (c *Client) do(ctx context.Context, k call) error {
	if k.timeout == 0 {
		k.timeout = callTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	res, err := c.send(ctx, k)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return c.lost(k, err)
	}
	if res.StatusCode >= 300 {
		if e, ok := cloud.DecodeError(func(v any) error { return json.Unmarshal(data, v) }); ok {
			return e
		}
		return platform.NewError("", k.op, k.resource, "", fmt.Errorf("the local cloud answered %s: %.200s", res.Status, data))
	}
	if k.out == nil {
		return nil
	}
	if err := json.Unmarshal(data, k.out); err != nil {
		return c.lost(k, fmt.Errorf("answer not understood: %w", err))
	}
	return nil
}

func (c *Client) send(ctx context.Context, k call) (*http.Response, error) {
	url, err := c.endpoint()
	if err != nil {
		return nil, c.unreachable(k, err)
	}
	var body io.Reader
	if k.body != nil {
		b, err := json.Marshal(k.body)
		if err != nil {
			return nil, platform.NewError(platform.KindInvalid, k.op, k.resource, "", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, k.method, url+k.path, body)
	if err != nil {
		return nil, platform.NewError(platform.KindInvalid, k.op, k.resource, "", err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		var op *net.OpError
		if errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &op) && op.Op == "dial" {
			return nil, c.unreachable(k, err)
		}
		return nil, c.lost(k, err)
	}
	return res, nil
}

func (c *Client) unreachable(k call, err error) error {
	where := c.url
	if c.dir != "" {
		where = c.dir
	}
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("no local cloud has started in %s", where)
	}
	return platform.NewError("", k.op, k.resource, "is the local cloud at "+where+" running? `switchyard dev` starts it", err)
}

func (c *Client) lost(k call, err error) error {
	if k.method == http.MethodGet {
		return platform.NewError("", k.op, k.resource, "", err)
	}
	return platform.NewError(platform.KindAmbiguous, k.op, k.resource, "read the state before trying again",
		fmt.Errorf("the local cloud's answer was lost: %w", err))
}
