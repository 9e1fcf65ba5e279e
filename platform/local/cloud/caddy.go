package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/switchyard/switchyard/internal/caddy"
)

// FindCaddy finds the caddy program as caddy.Find does.
func FindCaddy() (string, error) { return caddy.Find() }

// The roles of a region's Caddy processes, in the order in which they are started.
const (
	balancer = "balancer"
	entry    = "entry"
)

func proxyID(role, regionName string) string { return role + "-" + regionName }

// ensure starts the processes that do not run, or adopts them. It does nothing while
// they run.
func (p *proxy) ensure(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, role := range []string{balancer, entry} {
		if err := p.ensureRole(ctx, role); err != nil {
			return fmt.Errorf("keep the %s proxy of %s running: %w", role, p.r.Name, err)
		}
	}
	return nil
}

func (p *proxy) recorded(role string) record {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	return p.r.Proxies[role]
}

func (p *proxy) record(role string, rec record) error {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	p.r.Proxies[role] = rec
	return p.c.save()
}

func (p *proxy) ensureRole(ctx context.Context, role string) error {
	if rec := p.recorded(role); alive(rec.PID, rec.Start) {
		return nil
	}
	output := filepath.Join(p.dir, role+".out")
	if wait := time.Until(p.nextTry[role]); wait > 0 {
		return fmt.Errorf("it ended; the next start is in %s (read %s)", wait.Round(100*time.Millisecond), output)
	}
	p.nextTry[role] = time.Now().Add(time.Second)
	if role == balancer {
		p.loaded = nil
	}
	for _, m := range markedProcesses(p.c.id) {
		if m.instance == proxyID(role, p.r.Name) {
			return p.record(role, record{m.pid, m.ticks})
		}
	}
	if err := p.startRole(role, output); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		err := p.answers(ctx, role)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(25 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w (read %s)", err, output)
		}
	}
}

func (p *proxy) startRole(role, output string) error {
	config, err := p.wanted()
	if role == entry {
		config, err = json.Marshal(p.c.entryConfig(p.r))
	}
	if err != nil {
		return err
	}
	file := filepath.Join(p.dir, role+".json")
	if err := writeFile(file, config); err != nil {
		return err
	}
	env := []string{envCloud + "=" + p.c.id, envInstance + "=" + proxyID(role, p.r.Name), envRegion + "=" + p.r.Name,
		"HOME=" + p.dir, "XDG_CONFIG_HOME=" + p.dir, "XDG_DATA_HOME=" + p.dir, "PATH=" + os.Getenv("PATH")}
	pid, ticks, err := launch([]string{p.c.cfg.CaddyBin, "run", "--config", file}, env, p.dir, output, func(string) { p.wake() })
	if err != nil {
		return err
	}
	return p.record(role, record{pid, ticks})
}

func (p *proxy) answers(ctx context.Context, role string) error {
	if role == balancer {
		_, err := p.call(ctx, http.MethodGet, "/config/admin", nil)
		return err
	}
	if len(p.r.Ports) == 0 {
		return errors.New("the region has no free ports for entries")
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", p.c.address(p.r, hostEntry, p.r.Ports[0]))
	if err != nil {
		return err
	}
	return conn.Close()
}

// stop ends the entry first, then the balancer, so that requests in flight finish.
func (p *proxy) stop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, role := range []string{entry, balancer} {
		rec := p.recorded(role)
		if rec.PID == 0 {
			continue
		}
		if err := endProcess(rec.PID, rec.Start, 5*time.Second); err != nil {
			return fmt.Errorf("stop the %s proxy of %s: %w", role, p.r.Name, err)
		}
		if err := p.record(role, record{}); err != nil {
			return err
		}
	}
	return nil
}
