package cloud

import (
	"encoding/json"
	"fmt"
	"sort"

	"github.com/switchyard/switchyard/internal/caddy"
	"github.com/switchyard/switchyard/release"
)

// FleetHeader selects a fleet at an entry whatever its share: the test route. Such
// requests are not counted.
const FleetHeader = "X-Switchyard-Fleet"

// sharesVar carries the shares in the proxy's own configuration, to be read back.
const sharesVar = "switchyard_shares"

type obj = caddy.Config

// proxyConfig is the whole configuration of a region's proxy, and which fleet answers
// at the addresses that stand for errors made on request. The caller holds c.mu.
func (c *Cloud) proxyConfig(r *region) (obj, map[string]string) {
	admin := c.address(r, hostAdmin, c.state.Port)
	errorAddresses, errorOwners, servers := c.errorServers(r)
	for _, rt := range r.Routes {
		servers[rt.Target.String()] = c.targetServer(r, rt, errorAddresses)
	}
	return caddy.BalancerConfig(c.regionDir(r.Name), admin, servers), errorOwners
}

// entryConfig is the configuration of the entry proxy. It never changes.
func (c *Cloud) entryConfig(r *region) obj {
	servers := obj{}
	for _, port := range r.Ports {
		servers[fmt.Sprintf("entry-%d", port)] = caddy.Entry(c.address(r, hostEntry, port), c.address(r, hostBalancer, port))
	}
	return caddy.EntryConfig(c.regionDir(r.Name), servers)
}

// errorServers are listeners that answer 500, one per fleet with an error rate.
func (c *Cloud) errorServers(r *region) (addresses, owners map[string]string, servers obj) {
	addresses, owners, servers = map[string]string{}, map[string]string{}, obj{}
	for n, f := range c.state.fleetsOf(r.Name) {
		if c.faultErrorRate(f) == 0 {
			continue
		}
		addr := c.address(r, hostErrors, c.state.Port+n)
		addresses[f.Spec.Name], owners[addr] = addr, f.Spec.Name
		servers["errors/"+f.Spec.Name] = caddy.Server(addr, []any{
			obj{"match": []any{obj{"path": []string{f.Spec.HealthPath}, "header": obj{"User-Agent": []string{"switchyard-proxy-check"}}}},
				"handle": []any{obj{"handler": "static_response", "status_code": 200}}},
			obj{"handle": []any{obj{"handler": "static_response", "status_code": 500, "body": "error made on request\n"}}},
		}, nil)
	}
	return addresses, owners, servers
}

// targetServer is the entry of one target: a test route per fleet, then the users'
// route, weighted over the instances of the fleets that have a share.
func (c *Cloud) targetServer(r *region, rt *route, errorAddresses map[string]string) obj {
	var routes []any
	var serving []*fleet
	for _, f := range c.state.fleetsOf(r.Name) {
		if f.Spec.Target != rt.Target || f.unrouted() != "" {
			continue
		}
		ups := pool([]*fleet{f}, release.Weights{{Fleet: f.Spec.Name, Percent: 100}}, c.faultErrorRate, errorAddresses)
		routes = append(routes, obj{
			"match":    []any{obj{"header": obj{FleetHeader: []string{f.Spec.Name}}}},
			"handle":   []any{obj{"handler": "vars", "log_skip": true}, backend(ups, "")},
			"terminal": true,
		})
		if rt.Weights.Of(f.Spec.Name) > 0 {
			serving = append(serving, f)
		}
	}
	routes = append(routes, obj{
		"match":    []any{obj{"header": obj{FleetHeader: []string{}}}}, // present, with no fleet of that name
		"handle":   []any{obj{"handler": "vars", "log_skip": true}, obj{"handler": "static_response", "status_code": 404, "body": "no such fleet\n"}},
		"terminal": true,
	})
	shares, _ := json.Marshal(sorted(rt.Weights))
	ups := pool(serving, rt.Weights, c.faultErrorRate, errorAddresses)
	live := obj{"handler": "log_append", "key": "live", "value": largest(rt.Weights)}
	routes = append(routes, obj{"handle": []any{
		obj{"handler": "vars", sharesVar: string(shares)}, live,
		obj{"handler": "log_append", "key": "target", "value": rt.Target.String()},
		obj{"handler": "log_append", "key": "up", "value": "{http.reverse_proxy.upstream.hostport}"},
		backend(ups, commonHealthPath(serving)),
	}})
	// When every instance is marked down, trying one is better than refusing.
	var fallback []any
	if len(ups) > 0 {
		fallback = []any{obj{
			"match":  []any{obj{"vars": obj{"{http.error.status_code}": []string{"503"}}, "header": obj{FleetHeader: nil}}},
			"handle": []any{obj{"handler": "log_append", "key": "retried", "value": "{http.reverse_proxy.upstream.hostport}"}, backend(ups, "")},
		}}
	}
	s := caddy.Server(c.address(r, hostBalancer, rt.Port), routes, fallback)
	s["logs"] = obj{}
	return s
}

// backend is the proxy handler for a pool. With a health path the pool is checked by
// the proxy as well, which matters while the daemon is away.
func backend(ups []caddy.Upstream, healthPath string) obj {
	h := caddy.Backend(ups)
	if len(ups) == 0 {
		return h
	}
	if healthPath != "" {
		h["health_checks"] = obj{
			"passive": obj{"fail_duration": "500ms", "max_fails": 1},
			"active": obj{"uri": healthPath, "interval": "1s", "timeout": "2s", "fails": 3,
				"headers": obj{"User-Agent": []string{"switchyard-proxy-check"}}},
		}
	}
	return h
}

// pool spreads each fleet's share evenly over its instances, in whole numbers. A
// share whose fleet has no instance at all goes to the others.
func pool(fleets []*fleet, w release.Weights, errorRate func(*fleet) int, errorAddresses map[string]string) []caddy.Upstream {
	all := 1
	for _, f := range fleets {
		if n := len(reachable(f)); n > 0 {
			all = all / gcd(all, n) * n
		}
	}
	var out []caddy.Upstream
	for _, f := range fleets {
		members, share, rate := reachable(f), w.Of(f.Spec.Name), errorRate(f)
		if len(members) == 0 {
			continue
		}
		for _, i := range members {
			if rate < 100 {
				out = append(out, caddy.Upstream{Address: i.Address, Weight: share * (100 - rate) * (all / len(members))})
			}
		}
		if rate > 0 {
			out = append(out, caddy.Upstream{Address: errorAddresses[f.Spec.Name], Weight: share * rate * all})
		}
	}
	divisor := 0
	for _, u := range out {
		divisor = gcd(u.Weight, divisor)
	}
	for n := range out {
		out[n].Weight /= max(divisor, 1)
	}
	return out
}

// reachable are the instances that get requests: those in service; when there are
// none, those that were, then those that run. Instances on their way out never.
func reachable(f *fleet) []*instance {
	for _, s := range []release.InstanceState{release.InstanceInService, release.InstanceUnhealthy, release.InstancePending} {
		var out []*instance
		for _, i := range f.Instances {
			if i.State == s && i.PID != 0 {
				out = append(out, i)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

func commonHealthPath(fleets []*fleet) string {
	path := ""
	for _, f := range fleets {
		if path != "" && path != f.Spec.HealthPath {
			return ""
		}
		path = f.Spec.HealthPath
	}
	return path
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func sorted(w release.Weights) release.Weights {
	out := release.Weights{}
	for _, x := range w {
		if x.Percent > 0 {
			out = append(out, x)
		}
	}
	sort.Slice(out, func(a, b int) bool { return out[a].Fleet < out[b].Fleet })
	return out
}

func largest(w release.Weights) string {
	name, most := "", 0
	for _, x := range sorted(w) {
		if x.Percent > most {
			name, most = x.Fleet, x.Percent
		}
	}
	return name
}
