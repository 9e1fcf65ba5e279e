package cloud

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"sort"

	"github.com/switchyard/switchyard/release"
)

// FleetHeader selects a fleet at an entry whatever its share: the test route. Such
// requests are not counted.
const FleetHeader = "X-Switchyard-Fleet"

// sharesVar carries the shares in the proxy's own configuration, to be read back.
const sharesVar = "switchyard_shares"

type obj = map[string]any

type upstream struct {
	address string
	weight  int
}

// proxyConfig is the whole configuration of a region's proxy, and which fleet answers
// at the addresses that stand for errors made on request. The caller holds c.mu.
func (c *Cloud) proxyConfig(r *region) (obj, map[string]string) {
	admin := c.address(r, hostAdmin, c.state.Port)
	errorAddresses, errorOwners, servers := c.errorServers(r)
	for _, rt := range r.Routes {
		servers[rt.Target.String()] = c.targetServer(r, rt, errorAddresses)
	}
	drop := obj{"filter": "delete"}
	return obj{
		"admin": obj{"listen": admin, "origins": []string{admin}, "config": obj{"persist": false}},
		"logging": obj{"logs": obj{
			"default": obj{"level": "WARN", "writer": c.logFile(r, "caddy.log", 8), "exclude": []string{"http.log.access"}},
			"access": obj{"writer": c.logFile(r, "access.log", 16), "include": []string{"http.log.access"}, "encoder": obj{
				"format": "filter", "wrap": obj{"format": "json"},
				"fields": obj{"request": drop, "resp_headers": drop, "user_id": drop, "logger": drop, "msg": drop}}},
		}},
		// Without a grace period: requests in flight when the configuration changes finish
		// under the old one, however long they take.
		"apps": obj{"http": obj{"servers": servers}},
	}, errorOwners
}

// entryConfig is the configuration of the entry proxy. It never changes: replacing the
// configuration of a Caddy drops requests on connections it has accepted but not read
// from. The entry proxy hands every request to the balancer, whose configuration does
// change, and sends it again when the balancer drops it. That is safe for every method:
// the balancer answers whatever it has begun to handle, and drops only what it has not
// (a balancer that is killed is the exception: an order it was passing on may be sent
// twice). Bodies are held up to 1 MiB for it, so a stream of requests arrives in blocks.
func (c *Cloud) entryConfig(r *region) obj {
	servers := obj{}
	for _, port := range r.Ports {
		servers[fmt.Sprintf("entry-%d", port)] = server(c.address(r, hostEntry, port), []any{obj{"handle": []any{obj{
			"handler": "reverse_proxy", "upstreams": []any{obj{"dial": c.address(r, hostBalancer, port)}},
			"load_balancing": obj{"try_duration": "5s", "try_interval": "10ms",
				"retry_match": []any{obj{"method": []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}}}},
			"request_buffers": 1 << 20, // larger bodies cannot be sent again
			"flush_interval":  -1,
			"transport":       obj{"protocol": "http", "dial_timeout": "2s", "keep_alive": obj{"max_idle_conns_per_host": 64, "idle_timeout": "30s"}},
		}}}}, nil)
	}
	return obj{
		"admin":   obj{"disabled": true, "config": obj{"persist": false}},
		"logging": obj{"logs": obj{"default": obj{"level": "ERROR", "writer": c.logFile(r, "entry.log", 8)}}},
		"apps":    obj{"http": obj{"servers": servers}},
	}
}

func (c *Cloud) logFile(r *region, name string, mb int) obj {
	return obj{"output": "file", "filename": filepath.Join(c.regionDir(r.Name), name), "mode": "0644",
		"roll_size_mb": mb, "roll_keep": 4, "roll_compression": "none"}
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
		servers["errors/"+f.Spec.Name] = server(addr, []any{
			obj{"match": []any{obj{"path": []string{f.Spec.HealthPath}, "header": obj{"User-Agent": []string{"switchyard-proxy-check"}}}},
				"handle": []any{obj{"handler": "static_response", "status_code": 200}}},
			obj{"handle": []any{obj{"handler": "static_response", "status_code": 500, "body": "error made on request\n"}}},
		}, nil)
	}
	return addresses, owners, servers
}

func server(addr string, routes, errorRoutes []any) obj {
	s := obj{"listen": []string{addr}, "protocols": []string{"h1"}, "automatic_https": obj{"disable": true}, "routes": routes}
	if errorRoutes != nil {
		s["errors"] = obj{"routes": errorRoutes}
	}
	return s
}

// targetServer is the entry of one target: a test route per fleet, then the users'
// route, weighted over the instances of the fleets that have a share.
func (c *Cloud) targetServer(r *region, rt *route, errorAddresses map[string]string) obj {
	var routes []any
	var serving []*fleet
	for _, f := range c.state.fleetsOf(r.Name) {
		if f.Spec.Target != rt.Target {
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
	s := server(c.address(r, hostBalancer, rt.Port), routes, fallback)
	s["logs"] = obj{}
	return s
}

// backend is the proxy handler for a pool. With a health path the pool is checked by
// the proxy as well, which matters while the daemon is away.
func backend(ups []upstream, healthPath string) obj {
	if len(ups) == 0 {
		return obj{"handler": "static_response", "status_code": 503, "headers": obj{"Retry-After": []string{"1"}}, "body": "no instance in service\n"}
	}
	dials, weights := []any{}, []int{}
	for _, u := range ups {
		dials = append(dials, obj{"dial": u.address})
		weights = append(weights, u.weight)
	}
	h := obj{
		"handler": "reverse_proxy", "upstreams": dials, "trusted_proxies": []string{"127.0.0.0/8"},
		// Retries without an interval: a request that waits for its next try is lost
		// when the configuration changes meanwhile, as it does when an instance dies.
		"load_balancing": obj{"retries": 8, "selection_policy": obj{"policy": "weighted_round_robin", "weights": weights}},
		"transport":      obj{"protocol": "http", "dial_timeout": "1s", "keep_alive": obj{"max_idle_conns_per_host": 64, "idle_timeout": "20s"}},
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
func pool(fleets []*fleet, w release.Weights, errorRate func(*fleet) int, errorAddresses map[string]string) []upstream {
	all := 1
	for _, f := range fleets {
		if n := len(reachable(f)); n > 0 {
			all = all / gcd(all, n) * n
		}
	}
	var out []upstream
	for _, f := range fleets {
		members, share, rate := reachable(f), w.Of(f.Spec.Name), errorRate(f)
		if len(members) == 0 {
			continue
		}
		for _, i := range members {
			if rate < 100 {
				out = append(out, upstream{i.Address, share * (100 - rate) * (all / len(members))})
			}
		}
		if rate > 0 {
			out = append(out, upstream{errorAddresses[f.Spec.Name], share * rate * all})
		}
	}
	divisor := 0
	for _, u := range out {
		divisor = gcd(u.weight, divisor)
	}
	for n := range out {
		out[n].weight /= max(divisor, 1)
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
