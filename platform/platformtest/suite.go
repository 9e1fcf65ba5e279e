// Package platformtest is the suite that every platform passes: what the ports in
// package platform promise, tried from outside, including answers that are lost.
package platformtest

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

// Harness is what the suite needs of the platform under test. The hooks may be nil
// where a platform cannot do it; the cases that need them then do not run.
type Harness struct {
	Platform     platform.Platform
	Region       string
	SecondRegion string
	Target       release.Target
	Images       [2]string         // refs in Region; their versions are "v1" and "v2", the second one the newest
	NoImage      string            // a ref of the right form that no image has; default: a digest
	Command      []string          // starts the application (see MaybeServe)
	Environment  map[string]string // for the application to know what it is
	Prefix       string            // of fleet names, so that runs do not meet
	Wait         time.Duration     // at most, for instances and counters; default 30s

	Secret                       string                                      // a reference that resolves to "s3cret"
	FailBefore, FailAfter        func(t *testing.T, call string)             // the next call ("Fleets.Provision") is lost before or after its effect
	Kill                         func(t *testing.T, region, instance string) // ends an instance's process at once
	Unhealthy                    func(t *testing.T, region, fleet string)    // health checks of the fleet fail from now on
	Healed                       func(t *testing.T)                          // ends what Unhealthy began
	InFlight                     func(t *testing.T, region string) int       // requests in flight, where the router has no count of them; nil: it has
	BakedImage                   func(t *testing.T, version string) string   // one more image, to be removed by a test
	LeftoversOfAnInterruptedBake func(t *testing.T, tag string)              // makes some, for Sweep to find

	RemoveImage func(t *testing.T, region, ref string)                 // takes an image away behind the platform's back, also from a fleet that runs it
	Quota       func(t *testing.T, region string, instances int)       // the region has room for so many instances until the case ends
	Remember    func(t *testing.T, region string, past []release.Load) // the router remembers these whole minutes of the target
}

// suite is a harness with helpers; every case gets a fresh one.
type suite struct {
	Harness
	*testing.T
	ctx context.Context
}

// Run runs every case against a new harness each. Cases leave nothing behind.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t)
			if h.Wait == 0 {
				h.Wait = 30 * time.Second
			}
			if h.NoImage == "" {
				h.NoImage = noImage
			}
			c.run(&suite{Harness: h, T: t, ctx: t.Context()})
		})
	}
}

type testCase struct {
	name string
	run  func(s *suite)
}

func cases() []testCase {
	var all []testCase
	all = append(all, imageCases...)
	all = append(all, fleetCases...)
	all = append(all, sizeCases...)
	all = append(all, readinessCases...)
	all = append(all, routerCases...)
	all = append(all, attachCases...)
	all = append(all, loadCases...)
	return append(all, ambiguityCases...)
}

func (s *suite) spec(name string, image, instances int) platform.FleetSpec {
	env := map[string]string{"GREETING": "hello"}
	for k, v := range s.Environment {
		env[k] = v
	}
	return platform.FleetSpec{
		Name: s.Prefix + name, Region: s.Region, Target: s.Target, Release: "release-" + name, Version: []string{"v1", "v2"}[image],
		Image: s.Images[image], Instances: instances, Command: s.Command, Environment: env, HealthPath: HealthPath,
	}
}

// fleet provisions a fleet, waits until it is in service and removes it after the case.
func (s *suite) fleet(name string, image, instances int) release.Fleet {
	s.Helper()
	spec := s.spec(name, image, instances)
	s.provision(spec)
	return s.inService(spec.Name, instances)
}

func (s *suite) provision(spec platform.FleetSpec) {
	s.Helper()
	_, err := s.Platform.Fleets.Provision(s.ctx, spec)
	require.NoError(s, err)
	s.removeAfter(spec.Region, spec.Name)
}

func (s *suite) removeAfter(region, name string) {
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		now, err := s.Platform.Router.Weights(ctx, region, s.Target)
		require.NoError(s, err)
		if now.Of(name) > 0 {
			require.NoError(s, s.Platform.Router.SetWeights(ctx, region, s.Target, now, nil))
		}
		require.NoError(s, s.Platform.Fleets.Retire(ctx, region, name))
	})
}

func (s *suite) describe(name string) release.Fleet {
	s.Helper()
	f, err := s.Platform.Fleets.Describe(s.ctx, s.Region, name)
	require.NoError(s, err)
	return f
}

func (s *suite) eventually(ok func() bool, what string, args ...any) {
	s.Helper()
	require.Eventually(s, ok, s.Wait, 50*time.Millisecond, append([]any{what}, args...)...)
}

func (s *suite) inService(name string, n int) release.Fleet {
	s.Helper()
	var f release.Fleet
	s.eventually(func() bool {
		f = s.describe(name)
		return f.InService() == n && len(f.Instances) == n
	}, "fleet %s never has %d instances in service", name, n)
	return f
}

func (s *suite) setWeights(expected, want release.Weights) {
	s.Helper()
	require.NoError(s, s.Platform.Router.SetWeights(s.ctx, s.Region, s.Target, expected, want))
}

func (s *suite) weights() release.Weights {
	s.Helper()
	w, err := s.Platform.Router.Weights(s.ctx, s.Region, s.Target)
	require.NoError(s, err)
	return w
}

func (s *suite) requireWeights(want release.Weights) {
	s.Helper()
	have := s.weights()
	require.True(s, have.Equal(want), "in force is %v, want %v", have, want)
}

func all(fleet string) release.Weights { return release.Weights{{Fleet: fleet, Percent: 100}} }

func split(a string, percent int, b string) release.Weights {
	return release.Weights{{Fleet: a, Percent: percent}, {Fleet: b, Percent: 100 - percent}}
}

func (s *suite) entry() string {
	s.Helper()
	url, err := s.Platform.Router.Entry(s.ctx, s.Region, s.Target)
	require.NoError(s, err)
	return url
}

// get asks the application, at the entry or an instance.
func (s *suite) get(url string, headers map[string]string) (Answer, int, error) {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, url, nil)
	require.NoError(s, err)
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return Answer{}, 0, err
	}
	defer func() { _ = res.Body.Close() }()
	var a Answer
	if res.StatusCode == http.StatusOK {
		err = json.NewDecoder(res.Body).Decode(&a)
	}
	return a, res.StatusCode, err
}

// versions asks the entry n times and counts who answered.
func (s *suite) versions(n int) map[string]int {
	s.Helper()
	out := map[string]int{}
	url := s.entry()
	for range n {
		a, status, err := s.get(url, nil)
		require.NoError(s, err)
		require.Equal(s, http.StatusOK, status)
		out[a.Version]++
	}
	return out
}

func (s *suite) requests(fleet string) release.Requests {
	s.Helper()
	all, err := s.Platform.Router.Requests(s.ctx, s.Region, s.Target)
	require.NoError(s, err)
	for _, r := range all {
		if r.Fleet == fleet {
			return r
		}
	}
	require.Failf(s, "no counters", "of fleet %s in %v", fleet, all)
	return release.Requests{}
}

func (s *suite) requireKind(kind platform.Kind, err error) {
	s.Helper()
	require.Error(s, err)
	require.Equal(s, kind, platform.KindOf(err), "%v", err)
}
