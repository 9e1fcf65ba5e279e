package awslab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/switchyard/switchyard/internal/caddy"
	"github.com/switchyard/switchyard/internal/child"
)

// keepProxies starts the two proxies of the region, and again when they ended.
func (r *region) keepProxies(ctx context.Context) error {
	if alive(r.balancer) && alive(r.entry) {
		return nil
	}
	if wait := time.Until(r.startAt); wait > 0 {
		return fmt.Errorf("a proxy of %s ended; read %s", r.name, r.dir)
	}
	r.startAt = time.Now().Add(time.Second)
	if !alive(r.balancer) {
		r.loaded = nil
		config, err := r.config()
		if err != nil {
			return err
		}
		if r.balancer, err = r.startProxy(ctx, "balancer", config, r.net.address(hostAdmin, adminPort)); err != nil {
			return err
		}
	}
	if !alive(r.entry) {
		servers := caddy.Config{}
		for port := firstPort; port < firstPort+slots; port++ {
			servers[fmt.Sprintf("entry-%d", port)] = caddy.Entry(r.net.address(hostEntry, port), r.net.address(hostBalancer, port))
		}
		config, err := json.Marshal(caddy.EntryConfig(r.dir, servers))
		if err != nil {
			return err
		}
		if r.entry, err = r.startProxy(ctx, "entry", config, r.net.address(hostEntry, firstPort)); err != nil {
			return err
		}
	}
	return nil
}

func alive(p *child.Process) bool {
	if p == nil {
		return false
	}
	_, gone := p.Ended()
	return !gone
}

// startProxy starts a Caddy and waits until somebody listens at the address.
func (r *region) startProxy(ctx context.Context, role string, config []byte, address string) (*child.Process, error) {
	file, output := filepath.Join(r.dir, role+".json"), filepath.Join(r.dir, role+".out")
	if err := os.WriteFile(file, config, 0o644); err != nil {
		return nil, err
	}
	p, err := child.Start(child.Command{
		Argv: []string{r.lab.o.CaddyBin, "run", "--config", file}, Dir: r.dir, Log: output,
		Env: []string{"HOME=" + r.dir, "XDG_CONFIG_HOME=" + r.dir, "XDG_DATA_HOME=" + r.dir, "PATH=" + os.Getenv("PATH")},
	}, func(string) { r.wake() })
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
		if err == nil {
			return p, conn.Close()
		}
		select {
		case <-p.Done():
			return nil, fmt.Errorf("start the %s proxy of %s: it ended; read %s", role, r.name, output)
		case <-ctx.Done():
			p.End(time.Second)
			return nil, fmt.Errorf("start the %s proxy of %s: it does not answer: %w; read %s", role, r.name, errors.Join(err, ctx.Err()), output)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// push brings the balancer up to date and returns once it has confirmed it.
func (r *region) push(ctx context.Context) error {
	config, err := r.config()
	if err != nil || bytes.Equal(config, r.loaded) {
		return err
	}
	r.loaded = nil
	if err := r.admin.Load(ctx, config); err != nil {
		return fmt.Errorf("configure the proxy of %s: %w", r.name, err)
	}
	r.loaded = config
	return nil
}

// config is the balancer's whole configuration.
func (r *region) config() ([]byte, error) {
	none := r.net.address(hostNoTarget, noTargetPort)
	servers := caddy.Config{"no-target": caddy.Server(none, []any{caddy.Config{"handle": []any{caddy.Backend(nil)}}}, nil)}
	for _, rt := range r.allRoutes() {
		if rules, ok := r.seen.rules[rt.listener]; ok {
			servers[rt.listener] = r.listener(rt, rules, none)
		}
	}
	return json.Marshal(caddy.BalancerConfig(r.dir, r.net.address(hostAdmin, adminPort), servers))
}

func (r *region) listener(rt route, rules []rule, none string) caddy.Config {
	mappings := []any{}
	for _, arn := range rt.groups {
		for _, addr := range r.usable(arn) {
			mappings = append(mappings, caddy.Config{"input": addr, "outputs": []any{arn}})
		}
	}
	// The log says which target group a request went to. The map is read when the
	// upstream is known, and belongs to the configuration the request came in under.
	counted := []any{
		caddy.Config{"handler": "map", "source": "{http.reverse_proxy.upstream.hostport}", "destinations": []string{"{target_group}"}, "mappings": mappings, "defaults": []string{""}},
		caddy.Config{"handler": "log_append", "key": "target_group", "value": "{target_group}"},
	}
	var routes []any
	for _, x := range rules {
		before := counted
		match, test := matcher(x.conditions)
		if test {
			before = []any{caddy.Config{"handler": "vars", "log_skip": true}}
		}
		rt := caddy.Config{"handle": append(slices.Clone(before), r.backend(x.action, none)), "terminal": true}
		if len(match) > 0 {
			rt["match"] = []any{match}
		}
		routes = append(routes, rt)
	}
	s := caddy.Server(r.net.address(hostBalancer, rt.port), routes, nil)
	s["logs"] = caddy.Config{}
	return s
}

// matcher is what the conditions of a rule ask for, all of them; test says that it is a
// test rule.
func matcher(conditions []elbtypes.RuleCondition) (match caddy.Config, test bool) {
	match = caddy.Config{}
	headers := caddy.Config{}
	for _, c := range conditions {
		switch {
		case c.HttpHeaderConfig != nil:
			name := aws.ToString(c.HttpHeaderConfig.HttpHeaderName)
			headers[name] = c.HttpHeaderConfig.Values
			test = test || strings.EqualFold(name, TestHeader)
		case c.PathPatternConfig != nil:
			match["path"] = c.PathPatternConfig.Values
		case c.HostHeaderConfig != nil:
			match["host"] = c.HostHeaderConfig.Values
		}
	}
	if len(headers) > 0 {
		match["header"] = headers
	}
	return match, test
}

func (r *region) backend(a elbtypes.Action, none string) caddy.Config {
	if a.FixedResponseConfig != nil {
		status, _ := strconv.Atoi(aws.ToString(a.FixedResponseConfig.StatusCode))
		return caddy.Config{"handler": "static_response", "status_code": max(status, http.StatusOK), "body": aws.ToString(a.FixedResponseConfig.MessageBody)}
	}
	shares := map[string]int{}
	if a.ForwardConfig != nil {
		for _, g := range a.ForwardConfig.TargetGroups {
			shares[aws.ToString(g.TargetGroupArn)] = int(aws.ToInt32(g.Weight))
		}
	}
	if len(shares) == 0 && a.TargetGroupArn != nil {
		shares[*a.TargetGroupArn] = 1
	}
	if len(shares) == 1 {
		for arn := range shares {
			shares[arn] = 1
		}
	}
	var pools []caddy.Pool
	for _, arn := range slices.Sorted(maps.Keys(shares)) {
		if shares[arn] == 0 {
			continue
		}
		addresses := r.usable(arn)
		if len(addresses) == 0 {
			// A target group without targets does not pass its share on: its users see 503.
			// docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
			addresses = []string{none}
		}
		pools = append(pools, caddy.Pool{Addresses: addresses, Weight: shares[arn]})
	}
	return caddy.Backend(caddy.Spread(pools...))
}

// usable are the targets that get requests: the healthy ones, or all when none is.
// docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
func (r *region) usable(arn string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var well, all []string
	for id, t := range r.seen.targets[arn] {
		i := r.instances[id]
		if i == nil || i.ending || t.state == "draining" {
			continue
		}
		all = append(all, i.hostPort())
		if t.state == healthy {
			well = append(well, i.hostPort())
		}
	}
	if len(well) > 0 {
		all = well
	}
	slices.Sort(all)
	return all
}
