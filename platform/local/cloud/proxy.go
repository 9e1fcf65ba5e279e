package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/switchyard/switchyard/internal/caddy"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

// proxy is what splits the traffic of one region: an entry proxy that never changes
// and a balancer behind it, driven through its admin API (entryConfig says why two).
type proxy struct {
	c       *Cloud
	r       *region
	dir     string
	admin   string // base URL
	kick    chan struct{}
	api     *caddy.Admin
	counter *counter

	weightMu sync.Mutex           // one change of shares at a time
	mu       sync.Mutex           // guards what follows, and starting and configuring the process
	loaded   []byte               // what the process was last told, and has confirmed
	nextTry  map[string]time.Time // by role
	problem  string
}

func newProxy(c *Cloud, r *region) (*proxy, error) {
	admin := "http://" + c.address(r, hostAdmin, c.state.Port)
	p := &proxy{c: c, r: r, dir: c.regionDir(r.Name), admin: admin, api: caddy.NewAdmin(admin), kick: make(chan struct{}, 1), nextTry: map[string]time.Time{}}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make region %s: %w", r.Name, err)
	}
	var err error
	p.counter, err = newCounter(p.dir)
	return p, err
}

// wake has the region reconciled soon.
func (p *proxy) wake() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// tell keeps what is wrong with the proxy for the status, and logs each new problem once.
func (p *proxy) tell(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if problem != "" && problem != p.problem && p.c.ctx.Err() == nil {
		p.c.log.Error("the proxy is not as it should be", "region", p.r.Name, "error", err)
	}
	p.problem = problem
}

// call asks the admin API.
func (p *proxy) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	data, err := p.api.Call(ctx, method, path, body)
	if err != nil {
		return nil, fmt.Errorf("region %s: %w", p.r.Name, err)
	}
	return data, nil
}

func (p *proxy) wanted() ([]byte, error) {
	p.c.mu.Lock()
	cfg, owners := p.c.proxyConfig(p.r)
	p.counter.setExtra(owners)
	p.c.mu.Unlock()
	return json.Marshal(cfg)
}

// push makes the proxy do what the state says and returns once it has confirmed it.
// Nothing is sent when that is what it was told last.
func (p *proxy) push(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	config, err := p.wanted()
	if err != nil || bytes.Equal(config, p.loaded) {
		return err
	}
	// A proxy that is restarted begins with what is in the file.
	if err := writeFile(filepath.Join(p.dir, balancer+".json"), config); err != nil {
		return err
	}
	p.loaded = nil
	if err := p.api.Load(ctx, config); err != nil {
		return fmt.Errorf("region %s: %w", p.r.Name, err)
	}
	p.loaded = config
	return nil
}

// ready starts the proxy if need be and brings it up to date.
func (p *proxy) ready(ctx context.Context) error {
	if err := p.ensure(ctx); err != nil {
		return err
	}
	return p.push(ctx)
}

// weights reads the shares in force from the proxy itself.
func (p *proxy) weights(ctx context.Context, t release.Target) (release.Weights, error) {
	if err := p.ensure(ctx); err != nil {
		return nil, err
	}
	data, err := p.call(ctx, http.MethodGet, "/config/apps/http/servers", nil)
	if err != nil {
		return nil, err
	}
	var servers map[string]struct {
		Routes []struct {
			Handle []map[string]any `json:"handle"`
		} `json:"routes"`
	}
	if err := json.Unmarshal(data, &servers); err != nil {
		return nil, fmt.Errorf("read the proxy's shares of %s: %w", t, err)
	}
	s, ok := servers[t.String()]
	if !ok {
		return release.Weights{}, nil
	}
	for _, rt := range s.Routes {
		for _, h := range rt.Handle {
			if text, ok := h[sharesVar].(string); ok {
				var w release.Weights
				return w, json.Unmarshal([]byte(text), &w)
			}
		}
	}
	return nil, platform.NewError("", "read weights", where(p.r.Name, t.String()), "somebody changed the proxy's configuration by hand",
		errors.New("the proxy's configuration carries no shares"))
}

// inFlight counts the requests being served right now, by address.
func (p *proxy) inFlight(ctx context.Context) (map[string]int, error) {
	if err := p.ensure(ctx); err != nil {
		return nil, err
	}
	return p.api.InFlight(ctx)
}
