package platformtest

import (
	"net/http"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

var routerCases = []testCase{
	{"a target without a route has no weights and no counters", func(s *suite) {
		t := release.Target{Application: "nobody", Environment: "production"}
		w, err := s.Platform.Router.Weights(s.ctx, s.Region, t)
		require.NoError(s, err)
		require.Empty(s, w)
		q, err := s.Platform.Router.Requests(s.ctx, s.Region, t)
		require.NoError(s, err)
		require.Empty(s, q)
	}},
	{"a fleet without a share gets no request, and its test route reaches it", func(s *suite) {
		one, two := s.fleet("one", 0, 1), s.fleet("two", 1, 1)
		s.setWeights(nil, all(one.Name))
		require.Equal(s, map[string]int{"v1": 20}, s.versions(20))
		probe, err := s.Platform.Router.Probe(s.ctx, s.Region, s.Target, two.Name)
		require.NoError(s, err)
		a, _, err := s.get(probe.URL, probe.Headers)
		require.NoError(s, err)
		require.Equal(s, "v2", a.Version)
		_, err = s.Platform.Router.Probe(s.ctx, s.Region, s.Target, s.Prefix+"nobody")
		s.requireKind(platform.KindNotFound, err)
	}},
	{"traffic follows the shares", func(s *suite) {
		one, two := s.fleet("one", 0, 2), s.fleet("two", 1, 1)
		s.setWeights(nil, all(one.Name))
		s.setWeights(all(one.Name), split(one.Name, 75, two.Name))
		s.requireWeights(split(one.Name, 75, two.Name))
		got := s.versions(200)
		require.InDelta(s, 150, got["v1"], 20)
		s.setWeights(split(one.Name, 75, two.Name), all(two.Name))
		require.Equal(s, map[string]int{"v2": 20}, s.versions(20))
	}},
	{"traffic follows the shares step by step, and every request is counted", func(s *suite) {
		one, two := s.fleet("one", 0, 2), s.fleet("two", 1, 2)
		s.setWeights(nil, all(one.Name))
		in, sent := all(one.Name), map[string]int{}
		for _, percent := range []int{10, 50, 100} {
			want := split(two.Name, percent, one.Name)
			s.setWeights(in, want)
			s.requireWeights(want)
			in = want
			got := s.versions(200)
			require.InDelta(s, 2*percent, got["v2"], 20, "at %d %%: %v", percent, got)
			for version, n := range got {
				sent[version] += n
			}
		}
		s.eventually(func() bool {
			return s.requests(one.Name).Total == uint64(sent["v1"]) && s.requests(two.Name).Total == uint64(sent["v2"])
		}, "the requests counted are not %v", sent)
	}},
	{"shares change from the expected ones only, and once", func(s *suite) {
		one, two := s.fleet("one", 0, 1), s.fleet("two", 1, 1)
		s.setWeights(nil, all(one.Name))
		s.setWeights(nil, all(one.Name)) // they are so already
		err := s.Platform.Router.SetWeights(s.ctx, s.Region, s.Target, all(two.Name), split(one.Name, 50, two.Name))
		s.requireKind(platform.KindConflict, err)
		require.ErrorContains(s, err, one.Name, "it names what is in force")
		require.ErrorContains(s, err, two.Name, "it names what was expected")
		s.requireWeights(all(one.Name))
	}},
	{"of several that change the same shares one succeeds", func(s *suite) {
		one, two := s.fleet("one", 0, 1), s.fleet("two", 1, 1)
		s.setWeights(nil, all(one.Name))
		var wait sync.WaitGroup
		errs := make([]error, 6)
		for n := range errs {
			wait.Go(func() {
				errs[n] = s.Platform.Router.SetWeights(s.ctx, s.Region, s.Target, all(one.Name), split(one.Name, 10*(n+1), two.Name))
			})
		}
		wait.Wait()
		won := 0
		for n, err := range errs {
			if err == nil {
				won++
				s.requireWeights(split(one.Name, 10*(n+1), two.Name))
				continue
			}
			s.requireKind(platform.KindConflict, err)
		}
		require.Equal(s, 1, won)
	}},
	{"shares that make no sense are refused", func(s *suite) {
		one := s.fleet("one", 0, 1)
		for _, w := range []release.Weights{
			{{Fleet: one.Name, Percent: 90}}, {{Fleet: one.Name, Percent: 101}},
			{{Fleet: one.Name, Percent: 50}, {Fleet: one.Name, Percent: 50}}, {{Fleet: one.Name, Percent: -1}},
		} {
			s.requireKind(platform.KindInvalid, s.Platform.Router.SetWeights(s.ctx, s.Region, s.Target, nil, w))
		}
		s.requireKind(platform.KindNotFound, s.Platform.Router.SetWeights(s.ctx, s.Region, s.Target, nil, all(s.Prefix+"nobody")))
		s.requireWeights(nil)
	}},
	{"requests are counted by fleet, errors too, test requests are not", func(s *suite) {
		one, two := s.fleet("one", 0, 1), s.fleet("two", 1, 1)
		s.setWeights(nil, all(one.Name))
		url := s.entry()
		s.versions(10)
		for range 3 {
			_, status, err := s.get(url+"/?status=500", nil)
			require.NoError(s, err)
			require.Equal(s, http.StatusInternalServerError, status)
		}
		s.eventually(func() bool { q := s.requests(one.Name); return q.Total == 13 && q.Errors == 3 }, "13 requests with 3 errors are not counted")
		probe, err := s.Platform.Router.Probe(s.ctx, s.Region, s.Target, two.Name)
		require.NoError(s, err)
		for range 5 {
			_, _, err := s.get(probe.URL, probe.Headers)
			require.NoError(s, err)
		}
		s.setWeights(all(one.Name), all(two.Name))
		s.versions(7)
		s.eventually(func() bool { return s.requests(two.Name).Total == 7 }, "7 requests after the switch are not counted")
		q := s.requests(one.Name)
		require.EqualValues(s, 13, q.Total, "a fleet without a share gets no more requests")
		require.Zero(s, q.InFlight)
		require.False(s, q.At.IsZero())
	}},
	{"a request in flight is seen, and survives the switch", func(s *suite) {
		one, two := s.fleet("one", 0, 1), s.fleet("two", 1, 1)
		s.setWeights(nil, all(one.Name))
		url := s.entry()
		type result struct {
			a      Answer
			status int
			err    error
		}
		done := make(chan result, 1)
		go func() {
			a, status, err := s.get(url+"/?ms=2000", nil)
			done <- result{a, status, err}
		}()
		s.eventually(func() bool {
			if s.InFlight != nil {
				return s.InFlight(s.T, s.Region) == 1
			}
			return s.requests(one.Name).InFlight == 1
		}, "it is not seen")
		s.setWeights(all(one.Name), all(two.Name))
		require.NoError(s, s.Platform.Fleets.Retire(s.ctx, s.Region, one.Name))
		r := <-done
		require.NoError(s, r.err)
		require.Equal(s, http.StatusOK, r.status)
		require.Equal(s, "v1", r.a.Version)
	}},
}
