// Package cloud is the local cloud: a daemon that plays the part of a cloud on one
// machine. It runs fleets as real processes from the root file systems of OCI
// images, replaces those that die, and drives one Caddy process per region that
// splits the traffic. It is reached over a loopback HTTP API (package local is the
// client) and keeps its state on disk. Its processes and proxies outlive it; the
// next daemon in the same directory adopts them.
package cloud

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/switchyard/switchyard/platform/local/oci"
)

// Config says how to run a daemon.
type Config struct {
	Dir      string   // everything the cloud keeps; made when missing
	Listen   string   // loopback address of the API; empty picks a free port and keeps it
	CaddyBin string   // the caddy program; empty means found by FindCaddy
	Regions  []string // made at start; others are made when first used
	Log      *slog.Logger
}

// Cloud is a running daemon. mu guards state and what is below it; it is never held
// while waiting for a process, a proxy or the network.
type Cloud struct {
	cfg     Config
	id      string
	started time.Time
	images  *oci.Store
	log     *slog.Logger
	ctx     context.Context // ends when the daemon stops reconciling
	cancel  context.CancelFunc
	work    sync.WaitGroup // reconcilers and whatever they started
	quit    chan struct{}  // closed by a shutdown order that has done its part
	once    sync.Once

	mu       sync.Mutex
	state    *state
	proxies  map[string]*proxy       // by region
	runtime  map[string]*instanceRun // by instance id
	faults   []*Fault
	faultSeq int
	unpackMu sync.Mutex
}

// Run runs the daemon until ctx ends or a client orders a shutdown. Instances and
// proxies go on after it unless the order said to stop them. ErrLocked when another
// daemon has the directory.
func Run(ctx context.Context, cfg Config) error {
	c, lock, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	defer c.cancel()
	ln, err := c.listen()
	if err != nil {
		return err
	}
	server := &http.Server{Handler: c.handler(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	if err := c.resume(); err != nil {
		_ = ln.Close()
		return err
	}
	go func() { failed <- server.Serve(ln) }()
	if err := c.announce(ln.Addr().String()); err != nil {
		_ = server.Close()
		return err
	}
	c.log.Info("local cloud is up", "url", "http://"+ln.Addr().String(), "dir", c.cfg.Dir)
	select {
	case <-ctx.Done():
	case <-c.quit:
	case err = <-failed:
		err = fmt.Errorf("serve the local cloud's API: %w", err)
	}
	c.cancel()
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	if server.Shutdown(end) != nil {
		_ = server.Close()
	}
	c.work.Wait()
	c.saveCounters()
	_ = os.Remove(filepath.Join(c.cfg.Dir, endpointFile))
	return err
}

func open(ctx context.Context, cfg Config) (*Cloud, *os.File, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	abs, err := filepath.Abs(cfg.Dir)
	if err != nil || cfg.Dir == "" {
		return nil, nil, fmt.Errorf("run the local cloud: bad directory %q", cfg.Dir)
	}
	cfg.Dir = abs
	if cfg.CaddyBin == "" {
		if cfg.CaddyBin, err = FindCaddy(); err != nil {
			return nil, nil, err
		}
	}
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("run the local cloud: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, nil, err
	}
	c := &Cloud{cfg: cfg, log: cfg.Log, started: time.Now().UTC(), quit: make(chan struct{}),
		proxies: map[string]*proxy{}, runtime: map[string]*instanceRun{}}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if c.id, err = DirID(cfg.Dir); err == nil {
		if c.images, err = oci.Open(filepath.Join(cfg.Dir, "images")); err == nil {
			c.state, err = loadState(cfg.Dir)
		}
	}
	if err == nil && c.state.Port == 0 {
		err = c.chooseBlock()
	}
	if err != nil {
		_ = lock.Close()
		c.cancel()
		return nil, nil, err
	}
	return c, lock, nil
}

// chooseBlock picks the addresses of a new cloud: from the directory's id, so that
// clouds side by side rarely meet, and moved on while the ports are taken.
func (c *Cloud) chooseBlock() error {
	h := fnv.New32a()
	_, _ = h.Write([]byte(c.id))
	n := int(h.Sum32())
	for try := range 200 {
		block, port := 64+(n+try)%64, 18000+(n/64+try*37)%12000
		ln, err := listenOn(fmt.Sprintf("127.%d.0.1:%d", block, port))
		if err != nil {
			continue
		}
		_ = ln.Close()
		c.state.Block, c.state.Port = block, port
		return c.save()
	}
	return errors.New("run the local cloud: no free addresses in 127.64.0.0/10 (end other clouds on this machine)")
}

// listenOn needs no context: binding a loopback address does not block.
func listenOn(addr string) (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(context.Background(), "tcp", addr)
}

func (c *Cloud) listen() (net.Listener, error) {
	addr := c.cfg.Listen
	if addr == "" && c.state.API != "" {
		// The same address as before spares clients that only know the URL.
		if ln, err := listenOn(c.state.API); err == nil {
			return ln, nil
		}
	}
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("run the local cloud: it listens on loopback addresses only, not on %q", addr)
	}
	ln, err := listenOn(addr)
	if err != nil {
		return nil, fmt.Errorf("run the local cloud: %w", err)
	}
	return ln, nil
}

func (c *Cloud) announce(addr string) error {
	c.mu.Lock()
	c.state.API = addr
	err := c.save()
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return writeJSON(filepath.Join(c.cfg.Dir, endpointFile), c.self(addr))
}

func (c *Cloud) self(addr string) Endpoint {
	return Endpoint{URL: "http://" + addr, PID: os.Getpid(), Cloud: c.id, StartedAt: c.started}
}

// resume takes over what an earlier daemon left and starts the regions asked for.
func (c *Cloud) resume() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.adoptUnrecorded()
	for _, r := range c.state.Regions {
		if err := c.startRegion(r); err != nil {
			return err
		}
	}
	// What died meanwhile is not shown as in service, not even for a moment.
	for _, f := range c.state.Fleets {
		for _, i := range append([]*instance(nil), f.Instances...) {
			c.judge(f, i)
		}
	}
	for _, name := range c.cfg.Regions {
		if _, err := c.ensureRegion(name); err != nil {
			return err
		}
	}
	return c.save()
}

func (c *Cloud) saveCounters() {
	for _, p := range c.proxies {
		p.count()
		p.counter.mu.Lock()
		if err := p.counter.save(); err != nil {
			c.log.Error("the request counters are not saved", "region", p.r.Name, "error", err)
		}
		p.counter.mu.Unlock()
	}
}

// adoptUnrecorded finds processes whose start was ordered but not recorded before
// the earlier daemon died.
func (c *Cloud) adoptUnrecorded() {
	byInstance := map[string]marked{}
	for _, m := range markedProcesses(c.id) {
		// The session leader is the process we started; its children carry the marker too.
		if have, ok := byInstance[m.instance]; !ok || m.ticks < have.ticks {
			byInstance[m.instance] = m
		}
	}
	for _, f := range c.state.Fleets {
		for _, i := range f.Instances {
			if m, ok := byInstance[i.ID]; ok && i.PID == 0 {
				i.PID, i.StartTicks, i.StartedAt = m.pid, m.ticks, time.Now().UTC()
			}
		}
	}
}
