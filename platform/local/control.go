package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/local/cloud"
	"github.com/switchyard/switchyard/release"
)

// Status reads the whole cloud; it is the ping as well.
func (c *Client) Status(ctx context.Context) (cloud.Status, error) {
	var out cloud.Status
	err := c.do(ctx, call{op: "read status", method: http.MethodGet, path: "/v1/status", out: &out, timeout: 5 * time.Second})
	return out, err
}

// Live reads the fleet with the largest share. KindNotFound before the first one serves.
func (c *Client) Live(ctx context.Context, region string, t release.Target) (cloud.Live, error) {
	var out cloud.Live
	err := c.do(ctx, call{op: "read live fleet", resource: in(t.String(), region), method: http.MethodGet,
		path: "/v1/targets/" + url.PathEscape(t.Application) + "/" + url.PathEscape(t.Environment) + "/live?region=" + url.QueryEscape(region), out: &out})
	return out, err
}

// InjectFault asks for trouble and returns the fault with its id.
func (c *Client) InjectFault(ctx context.Context, f cloud.Fault) (cloud.Fault, error) {
	var out cloud.Fault
	err := c.do(ctx, call{op: "inject fault", resource: string(f.Kind), method: http.MethodPost, path: "/v1/faults", body: f, out: &out})
	return out, err
}

// ClearFaults ends one fault, or all of them when id is empty.
func (c *Client) ClearFaults(ctx context.Context, id string) error {
	return c.do(ctx, call{op: "clear faults", resource: id, method: http.MethodDelete, path: "/v1/faults?id=" + url.QueryEscape(id)})
}

// RecordLoad has the cloud remember requests of the past as if it had counted them, for
// tests and demonstrations: a curve in steps of whole minutes that are over, at most 14
// days old. A step's requests are spread evenly over its minutes; what was counted in
// the same minutes is replaced, so repeating it changes nothing.
func (c *Client) RecordLoad(ctx context.Context, region string, t release.Target, step time.Duration, past []release.Load) error {
	return c.do(ctx, call{op: "record load", resource: in(t.String(), region), method: http.MethodPut,
		path: targetPath(region, t, "/load"), body: cloud.LoadBody{Step: step, Load: past}})
}

// Orphans lists what exists without belonging to a known fleet.
func (c *Client) Orphans(ctx context.Context) ([]cloud.Orphan, error) {
	var out []cloud.Orphan
	err := c.do(ctx, call{op: "list orphans", method: http.MethodGet, path: "/v1/orphans", out: &out})
	return out, err
}

// Shutdown ends the daemon. With stop it first ends every instance and every proxy;
// the fleets stay known and come back with the next daemon. Without, they live on.
// It returns when the daemon has answered that it is done.
func (c *Client) Shutdown(ctx context.Context, stop bool) error {
	path := "/v1/shutdown"
	if stop {
		path += "?instances=stop"
	}
	return c.do(ctx, call{op: "shut down the local cloud", method: http.MethodPost, path: path, timeout: retireTimeout})
}

// FleetLogs names the instances of a fleet whose output is kept, also of a fleet that
// is gone; the one that wrote last comes first. None is no error.
func (c *Client) FleetLogs(ctx context.Context, region, fleet string) ([]string, error) {
	var out cloud.Text
	err := c.do(ctx, call{op: "list logs", resource: in(fleet, region), method: http.MethodGet,
		path: "/v1/regions/" + url.PathEscape(region) + "/fleets/" + url.PathEscape(fleet) + "/logs", out: &out})
	return out.Values, err
}

// Logs opens the output of an instance (stdout and stderr), also of one that is gone
// as long as its file is kept. The caller closes it. KindNotFound when there is none.
func (c *Client) Logs(ctx context.Context, instance string) (io.ReadCloser, error) {
	k := call{op: "read logs", resource: instance, method: http.MethodGet, path: "/v1/instances/" + url.PathEscape(instance) + "/logs"}
	res, err := c.send(ctx, k)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusNotFound {
		return nil, platform.NotFound(k.op, instance)
	}
	return nil, platform.NewError("", k.op, instance, "", fmt.Errorf("the local cloud answered %s", res.Status))
}

const startTimeout = 20 * time.Second

// EnsureRunning returns a client of the daemon in dir, starting it with startCmd
// (argv) when it does not answer. The daemon is detached: it outlives the caller and
// writes to <dir>/daemon.log. Two callers at once end with one daemon, since the
// second daemon finds the directory locked and leaves.
func EnsureRunning(ctx context.Context, dir string, startCmd []string) (*Client, error) {
	c, err := Open(dir)
	if err != nil {
		return nil, err
	}
	if _, err := c.Status(ctx); err == nil {
		return c, nil
	}
	if len(startCmd) == 0 {
		return nil, fmt.Errorf("start the local cloud in %s: no command given", dir)
	}
	exited, err := startDetached(dir, startCmd)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return c, waitAnswer(ctx, c, dir, exited)
}

func startDetached(dir string, argv []string) (<-chan error, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("start the local cloud: %w", err)
	}
	path := filepath.Join(dir, "daemon.log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start the local cloud: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:noctx // the daemon outlives who starts it
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the local cloud with %q: %w", argv, err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	return exited, nil
}

func waitAnswer(ctx context.Context, c *Client, dir string, exited <-chan error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last, died error
	for {
		if _, last = c.Status(ctx); last == nil {
			return nil
		}
		select {
		case err := <-exited:
			// The other of two starters may have won; its daemon will answer.
			died = fmt.Errorf("its process ended: %w", err)
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("start the local cloud in %s: it does not answer (read %s): %w",
				dir, filepath.Join(dir, "daemon.log"), errors.Join(died, last))
		}
	}
}
