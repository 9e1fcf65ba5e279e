package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

const maxBody = 4 << 20

func writeAnswer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone; nobody to tell
}

func writeError(w http.ResponseWriter, op string, err error) {
	status, body := EncodeError(op, err)
	writeAnswer(w, status, body)
}

// handler is the API. The name of a call is what FaultAPI addresses; calls of the
// daemon itself have none and cannot be made to fail.
func (c *Cloud) handler() http.Handler {
	mux := http.NewServeMux()
	on := func(pattern, callName string, f func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if callName != "" && c.fail(w, callName, "before") {
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			out, err := f(r)
			if callName != "" && c.fail(w, callName, "after") {
				return
			}
			if err != nil {
				writeError(w, callName, err)
				return
			}
			if out == nil {
				out = struct{}{}
			}
			writeAnswer(w, http.StatusOK, out)
		})
	}
	c.imageCalls(on)
	c.fleetCalls(on)
	c.routerCalls(on)
	c.ownCalls(on)
	mux.HandleFunc("GET /v1/instances/{id}/logs", c.serveLog)
	return mux
}

type register func(pattern, callName string, f func(r *http.Request) (any, error))

func decode(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return platform.NewError(platform.KindInvalid, r.Method+" "+r.URL.Path, "", "", fmt.Errorf("body not understood: %w", err))
	}
	return nil
}

func targetOf(r *http.Request) release.Target {
	return release.Target{Application: r.PathValue("app"), Environment: r.PathValue("env")}
}

func (c *Cloud) fleetCalls(on register) {
	const one = "/v1/regions/{region}/fleets/{name}"
	on("PUT "+one, "Fleets.Provision", func(r *http.Request) (any, error) {
		var s platform.FleetSpec
		if err := decode(r, &s); err != nil {
			return nil, err
		}
		s.Region, s.Name = r.PathValue("region"), r.PathValue("name")
		return c.provision(s)
	})
	on("GET "+one, "Fleets.Describe", func(r *http.Request) (any, error) {
		return c.describe(r.PathValue("region"), r.PathValue("name"))
	})
	on("GET /v1/regions/{region}/fleets", "Fleets.List", func(r *http.Request) (any, error) {
		q := r.URL.Query()
		return c.list(r.PathValue("region"), release.Target{Application: q.Get("application"), Environment: q.Get("environment")}), nil
	})
	on("POST "+one+"/resize", "Fleets.Resize", func(r *http.Request) (any, error) {
		var b ResizeBody
		if err := decode(r, &b); err != nil {
			return nil, err
		}
		return nil, c.resize(r.PathValue("region"), r.PathValue("name"), b)
	})
	on("PUT "+one+"/hold", "Fleets.HoldScaleIn", func(r *http.Request) (any, error) {
		return nil, c.hold(r.PathValue("region"), r.PathValue("name"), r.URL.Query().Get("holder"))
	})
	on("DELETE "+one+"/hold", "Fleets.ReleaseScaleIn", func(r *http.Request) (any, error) {
		return nil, c.releaseHold(r.PathValue("region"), r.PathValue("name"), r.URL.Query().Get("holder"))
	})
	on("PUT "+one+"/route", "Fleets.Attach", func(r *http.Request) (any, error) {
		return nil, c.attach(context.WithoutCancel(r.Context()), r.PathValue("region"), r.PathValue("name"))
	})
	on("DELETE "+one+"/route", "Fleets.Detach", func(r *http.Request) (any, error) {
		return nil, c.detach(context.WithoutCancel(r.Context()), r.PathValue("region"), r.PathValue("name"))
	})
	on("GET "+one+"/readiness", "Fleets.Readiness", func(r *http.Request) (any, error) {
		n, err := strconv.Atoi(r.URL.Query().Get("instances"))
		if err != nil {
			return nil, platform.NewError(platform.KindInvalid, "examine fleet", r.PathValue("name"), "", fmt.Errorf("number of instances: %w", err))
		}
		return c.readiness(r.PathValue("region"), r.PathValue("name"), n)
	})
	on("GET "+one+"/logs", "", func(r *http.Request) (any, error) {
		ids, err := c.fleetLogs(r.PathValue("region"), r.PathValue("name"))
		return Text{Values: ids}, err
	})
	on("DELETE "+one, "Fleets.Retire", func(r *http.Request) (any, error) {
		return nil, c.retire(r.Context(), r.PathValue("region"), r.PathValue("name"))
	})
}

func (c *Cloud) routerCalls(on register) {
	const one = "/v1/regions/{region}/targets/{app}/{env}"
	on("GET "+one+"/entry", "Router.Entry", func(r *http.Request) (any, error) {
		url, err := c.entry(r.Context(), r.PathValue("region"), targetOf(r))
		return Text{Value: url}, err
	})
	on("GET "+one+"/probe", "Router.Probe", func(r *http.Request) (any, error) {
		return c.probeRoute(r.Context(), r.PathValue("region"), targetOf(r), r.URL.Query().Get("fleet"))
	})
	on("GET "+one+"/weights", "Router.Weights", func(r *http.Request) (any, error) {
		return c.weights(r.Context(), r.PathValue("region"), targetOf(r))
	})
	on("PUT "+one+"/weights", "Router.SetWeights", func(r *http.Request) (any, error) {
		var b SetWeightsBody
		if err := decode(r, &b); err != nil {
			return nil, err
		}
		// Not cancelled by a caller that goes away in the middle.
		return nil, c.setWeights(context.WithoutCancel(r.Context()), r.PathValue("region"), targetOf(r), b)
	})
	on("GET "+one+"/requests", "Router.Requests", func(r *http.Request) (any, error) {
		return c.requests(r.Context(), r.PathValue("region"), targetOf(r))
	})
	on("GET "+one+"/load", "Router.Load", func(r *http.Request) (any, error) {
		q := r.URL.Query()
		span, err := parseSpan(q.Get("since"), q.Get("until"), q.Get("step"))
		if err != nil {
			return nil, platform.NewError(platform.KindInvalid, "read load", targetOf(r).String(), "", err)
		}
		return c.load(r.PathValue("region"), targetOf(r), span), nil
	})
	on("PUT "+one+"/load", "", func(r *http.Request) (any, error) {
		var b LoadBody
		if err := decode(r, &b); err != nil {
			return nil, err
		}
		return nil, c.recordLoad(r.PathValue("region"), targetOf(r), b)
	})
	on("GET "+one+"/traits", "Router.Traits", func(*http.Request) (any, error) {
		return platform.Traits{}, nil // the proxy sends every request anew, by the shares alone
	})
	on("GET /v1/targets/{app}/{env}/live", "", func(r *http.Request) (any, error) {
		return c.live(r.Context(), r.URL.Query().Get("region"), targetOf(r))
	})
}

func (c *Cloud) ownCalls(on register) {
	on("GET /v1/status", "", func(*http.Request) (any, error) { return c.status(), nil })
	on("GET /v1/orphans", "", func(r *http.Request) (any, error) { return c.orphans(r.Context()) })
	on("POST /v1/faults", "", func(r *http.Request) (any, error) {
		var t Fault
		if err := decode(r, &t); err != nil {
			return nil, err
		}
		return c.inject(t)
	})
	on("DELETE /v1/faults", "", func(r *http.Request) (any, error) {
		c.clearFaults(r.URL.Query().Get("id"))
		return nil, nil
	})
	on("POST /v1/shutdown", "", func(r *http.Request) (any, error) {
		var err error
		if r.URL.Query().Get("instances") == "stop" {
			err = c.stopEverything()
		}
		c.once.Do(func() { close(c.quit) })
		return nil, err
	})
}

func (c *Cloud) serveLog(w http.ResponseWriter, r *http.Request) {
	f, err := c.openLog(r.PathValue("id"))
	if err != nil {
		writeError(w, "read logs", err)
		return
	}
	defer func() { _ = f.Close() }()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.Copy(w, f) // the client is gone; nobody to tell
}
