package cloud

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

func checkName(op, what, name string) error {
	if validName.MatchString(name) {
		return nil
	}
	return platform.NewError(platform.KindInvalid, op, name, "",
		fmt.Errorf("bad %s %q: letters, digits, dots, dashes and underscores, at most 128, starting with a letter or digit", what, name))
}

// Hosts in a region's network, 127.<block>.<index>.<host>.
const (
	hostEntry     = 1 // where users reach targets, a port each
	hostBalancer  = 4 // where the entry proxy hands requests on, the same ports
	hostAdmin     = 2 // the proxy's admin API
	hostErrors    = 3 // answers errors for FaultErrorRate
	hostInstances = 10
	hostLast      = 250
	maxRegions    = 250
	entries       = 32 // targets of one region
)

func (c *Cloud) address(r *region, host, port int) string {
	return net.JoinHostPort(fmt.Sprintf("127.%d.%d.%d", c.state.Block, r.Index, host), strconv.Itoa(port))
}

func (c *Cloud) regionDir(name string) string { return filepath.Join(c.cfg.Dir, "regions", name) }

// ensureRegion finds the region or makes it. The caller holds c.mu.
func (c *Cloud) ensureRegion(name string) (*region, error) {
	if r := c.state.Regions[name]; r != nil {
		return r, nil
	}
	if err := checkName("make region", "region", name); err != nil {
		return nil, err
	}
	if c.ctx.Err() != nil {
		return nil, platform.NewError("", "make region", name, "", errors.New("the local cloud is shutting down"))
	}
	if len(c.state.Regions) >= maxRegions {
		return nil, platform.NewError(platform.KindCapacity, "make region", name, "", fmt.Errorf("the local cloud has %d regions already", maxRegions))
	}
	r := &region{Name: name, Index: len(c.state.Regions) + 1, NextHost: hostInstances,
		Proxies: map[string]record{}, Routes: map[string]*route{}, Owners: map[string]string{}}
	for port := c.state.Port; len(r.Ports) < entries && port < c.state.Port+8*entries; port++ {
		if free(c.address(r, hostEntry, port)) && free(c.address(r, hostBalancer, port)) {
			r.Ports = append(r.Ports, port)
		}
	}
	c.state.Regions[name] = r
	if err := c.save(); err != nil {
		delete(c.state.Regions, name)
		return nil, err
	}
	return r, c.startRegion(r)
}

// startRegion begins to reconcile the region. The caller holds c.mu.
func (c *Cloud) startRegion(r *region) error {
	p, err := newProxy(c, r)
	if err != nil {
		return err
	}
	c.proxies[r.Name] = p
	c.work.Add(1)
	go func() {
		defer c.work.Done()
		c.reconcileLoop(r, p)
	}()
	return nil
}

// ensureRoute finds the target's entry in the region or makes it. The caller holds c.mu.
func (c *Cloud) ensureRoute(r *region, t release.Target) (*route, error) {
	if rt := r.Routes[t.String()]; rt != nil {
		return rt, nil
	}
	for what, name := range map[string]string{"application": t.Application, "environment": t.Environment} {
		if err := checkName("make entry", what, name); err != nil {
			return nil, err
		}
	}
	rt := &route{Target: t, Port: r.entryPort(), MadeAt: time.Now().UTC()}
	if rt.Port == 0 {
		return nil, platform.NewError(platform.KindCapacity, "make entry", where(r.Name, t.String()), "", fmt.Errorf("the region has %d targets already", len(r.Routes)))
	}
	r.Routes[t.String()] = rt
	if err := c.save(); err != nil {
		delete(r.Routes, t.String())
		return nil, err
	}
	return rt, nil
}

// entryPort is the first entry no target has yet, 0 when all are taken.
func (r *region) entryPort() int {
	used := map[int]bool{}
	for _, rt := range r.Routes {
		used[rt.Port] = true
	}
	for _, port := range r.Ports {
		if !used[port] {
			return port
		}
	}
	return 0
}

// newAddress finds a free address for an instance, the longest unused one first.
// The caller holds c.mu.
func (c *Cloud) newAddress(r *region) (string, error) {
	for range hostLast - hostInstances {
		host := r.NextHost
		if r.NextHost++; r.NextHost > hostLast {
			r.NextHost = hostInstances
		}
		addr := c.address(r, host, c.state.Port)
		if _, used := r.Owners[addr]; !used && free(addr) {
			return addr, nil
		}
	}
	return "", platform.NewError(platform.KindCapacity, "start instance", r.Name, "retire fleets that are not needed", errors.New("no free address in the region"))
}

func free(addr string) bool {
	ln, err := listenOn(addr)
	if err != nil {
		return false
	}
	_ = ln.Close()
	return true
}
