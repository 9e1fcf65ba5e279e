// Package caddy builds configurations for Caddy processes that play a load balancer,
// drives them through their admin API and reads their access logs.
//
// A balancer is two processes. Replacing the configuration of a Caddy drops requests on
// connections it has accepted but not read from. The entry therefore never changes: it
// hands every request to the balancer behind it, whose configuration does change, and
// sends it again when the balancer drops it. That is safe for every method: the balancer
// answers whatever it has begun to handle, and drops only what it has not (a balancer
// that is killed is the exception: an order it was passing on may be sent twice).
package caddy

import "path/filepath"

// Config is a piece of Caddy's JSON configuration (caddyserver.com/docs/json/).
type Config = map[string]any

// Upstream is where a backend sends requests.
type Upstream struct {
	Address string // host:port
	Weight  int
}

// Pool is a set of upstreams that share one weight evenly.
type Pool struct {
	Addresses []string
	Weight    int
}

// Server listens on one address. errorRoutes may be nil.
func Server(addr string, routes, errorRoutes []any) Config {
	s := Config{"listen": []string{addr}, "protocols": []string{"h1"}, "automatic_https": Config{"disable": true}, "routes": routes}
	if errorRoutes != nil {
		s["errors"] = Config{"routes": errorRoutes}
	}
	return s
}

// Entry is a server that hands everything to the balancer at next. Bodies are held up
// to 1 MiB so that they can be sent again; a stream of requests arrives in blocks.
func Entry(addr, next string) Config {
	return Server(addr, []any{Config{"handle": []any{Config{
		"handler": "reverse_proxy", "upstreams": []any{Config{"dial": next}},
		"load_balancing": Config{"try_duration": "5s", "try_interval": "10ms",
			"retry_match": []any{Config{"method": []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}}}},
		"request_buffers": 1 << 20,
		"flush_interval":  -1,
		"transport":       Config{"protocol": "http", "dial_timeout": "2s", "keep_alive": Config{"max_idle_conns_per_host": 64, "idle_timeout": "30s"}},
	}}}}, nil)
}

// EntryConfig is the configuration of an entry process.
func EntryConfig(dir string, servers Config) Config {
	return Config{
		"admin":   Config{"disabled": true, "config": Config{"persist": false}},
		"logging": Config{"logs": Config{"default": Config{"level": "ERROR", "writer": logFile(dir, "entry.log", 8)}}},
		"apps":    Config{"http": Config{"servers": servers}},
	}
}

// BalancerConfig is the configuration of a balancer process, with its admin API at
// admin (host:port). Servers that have "logs" write their requests to AccessLog in dir.
func BalancerConfig(dir, admin string, servers Config) Config {
	drop := Config{"filter": "delete"}
	return Config{
		"admin": Config{"listen": admin, "origins": []string{admin}, "config": Config{"persist": false}},
		"logging": Config{"logs": Config{
			"default": Config{"level": "WARN", "writer": logFile(dir, "caddy.log", 8), "exclude": []string{"http.log.access"}},
			"access": Config{"writer": logFile(dir, AccessLog, 16), "include": []string{"http.log.access"}, "encoder": Config{
				"format": "filter", "wrap": Config{"format": "json"},
				"fields": Config{"request": drop, "resp_headers": drop, "user_id": drop, "logger": drop, "msg": drop}}},
		}},
		// Without a grace period: requests in flight when the configuration changes finish
		// under the old one, however long they take.
		"apps": Config{"http": Config{"servers": servers}},
	}
}

func logFile(dir, name string, mb int) Config {
	return Config{"output": "file", "filename": filepath.Join(dir, name), "mode": "0644",
		"roll_size_mb": mb, "roll_keep": 4, "roll_compression": "none"}
}

// Backend is the handler that sends requests to the upstreams by weight. Without any
// it answers 503.
func Backend(ups []Upstream) Config {
	if len(ups) == 0 {
		return Config{"handler": "static_response", "status_code": 503, "headers": Config{"Retry-After": []string{"1"}}, "body": "no instance in service\n"}
	}
	dials, weights := []any{}, []int{}
	for _, u := range ups {
		dials = append(dials, Config{"dial": u.Address})
		weights = append(weights, u.Weight)
	}
	return Config{
		"handler": "reverse_proxy", "upstreams": dials, "trusted_proxies": []string{"127.0.0.0/8"},
		// Retries without an interval: a request that waits for its next try is lost
		// when the configuration changes meanwhile, as it does when an instance dies.
		"load_balancing": Config{"retries": 8, "selection_policy": Config{"policy": "weighted_round_robin", "weights": weights}},
		"transport":      Config{"protocol": "http", "dial_timeout": "1s", "keep_alive": Config{"max_idle_conns_per_host": 64, "idle_timeout": "20s"}},
	}
}

// Spread gives each upstream its part of its pool's weight, in the smallest whole
// numbers. The weight of a pool without addresses goes to the others.
func Spread(pools ...Pool) []Upstream {
	all := 1
	for _, p := range pools {
		if n := len(p.Addresses); n > 0 {
			all = all / gcd(all, n) * n
		}
	}
	var out []Upstream
	divisor := 0
	for _, p := range pools {
		for _, a := range p.Addresses {
			u := Upstream{a, p.Weight * (all / len(p.Addresses))}
			divisor = gcd(u.Weight, divisor)
			out = append(out, u)
		}
	}
	for n := range out {
		out[n].Weight /= max(divisor, 1)
	}
	return out
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
