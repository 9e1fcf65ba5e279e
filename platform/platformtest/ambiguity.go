package platformtest

import (
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
)

// Each changing call is lost before and after its effect, then made again: it must
// end in the same state, with nothing made twice.
var ambiguityCases = []testCase{
	{"a lost answer to provision makes no second fleet", func(s *suite) {
		lost(s, "Fleets.Provision", nil, func() error {
			s.removeAfter(s.Region, s.Prefix+"one")
			_, err := s.Platform.Fleets.Provision(s.ctx, s.spec("one", 0, 2))
			return err
		}, func() {
			f := s.inService(s.Prefix+"one", 2)
			require.Len(s, f.Instances, 2)
			require.NoError(s, s.Platform.Fleets.Retire(s.ctx, s.Region, f.Name))
		})
	}},
	{"a lost answer to resize changes the size once", func(s *suite) {
		f := s.fleet("one", 0, 1)
		size := 1
		lost(s, "Fleets.Resize", nil, func() error {
			return s.Platform.Fleets.Resize(s.ctx, s.Region, f.Name, size, size+1)
		}, func() {
			size++
			require.Equal(s, size, s.describe(f.Name).Desired)
		})
	}},
	{"a lost answer to hold and release leaves what was asked for", func(s *suite) {
		f := s.fleet("one", 0, 1)
		hold := func() error { return s.Platform.Fleets.HoldScaleIn(s.ctx, s.Region, f.Name, "r") }
		release := func() error { return s.Platform.Fleets.ReleaseScaleIn(s.ctx, s.Region, f.Name, "r") }
		lost(s, "Fleets.HoldScaleIn", func() { require.NoError(s, release()) }, hold,
			func() { require.Equal(s, "r", s.describe(f.Name).ScaleInHeld) })
		lost(s, "Fleets.ReleaseScaleIn", func() { require.NoError(s, hold()) }, release,
			func() { require.Empty(s, s.describe(f.Name).ScaleInHeld) })
	}},
	{"a lost answer to retire removes the fleet", func(s *suite) {
		lost(s, "Fleets.Retire", func() { s.fleet("one", 0, 1) }, func() error { return s.Platform.Fleets.Retire(s.ctx, s.Region, s.Prefix+"one") }, func() {
			_, err := s.Platform.Fleets.Describe(s.ctx, s.Region, s.Prefix+"one")
			s.requireKind(platform.KindNotFound, err)
		})
	}},
	{"a lost answer to set weights leaves the shares asked for", func(s *suite) {
		one, two := s.fleet("one", 0, 1), s.fleet("two", 1, 1)
		s.setWeights(nil, all(one.Name))
		from, to := all(one.Name), all(two.Name)
		lost(s, "Router.SetWeights", nil, func() error { return s.Platform.Router.SetWeights(s.ctx, s.Region, s.Target, from, to) }, func() {
			s.requireWeights(to)
			from, to = to, from
		})
	}},
	{"a lost answer to detach and attach leaves what was asked for", func(s *suite) {
		one, two := s.fleet("one", 0, 1), s.fleet("two", 1, 1)
		s.setWeights(nil, all(one.Name))
		detach := func() error { return s.Platform.Fleets.Detach(s.ctx, s.Region, two.Name) }
		attach := func() error { return s.Platform.Fleets.Attach(s.ctx, s.Region, two.Name) }
		lost(s, "Fleets.Detach", func() { require.NoError(s, attach()) }, detach, func() {
			s.requireKind(platform.KindConflict, s.Platform.Router.SetWeights(s.ctx, s.Region, s.Target, all(one.Name), all(two.Name)))
		})
		lost(s, "Fleets.Attach", func() { require.NoError(s, detach()) }, attach, func() {
			s.setWeights(all(one.Name), all(two.Name))
			s.setWeights(all(two.Name), all(one.Name))
		})
	}},
	{"a lost answer to retire an image removes it", func(s *suite) {
		ref := ""
		lost(s, "Images.Retire", func() { ref = s.BakedImage(s.T, "v0") }, func() error { return s.Platform.Images.Retire(s.ctx, s.Region, ref) }, func() {
			_, err := s.Platform.Images.Get(s.ctx, s.Region, ref)
			s.requireKind(platform.KindNotFound, err)
		})
	}},
}

// lost makes the call fail before its effect, then after it; each time the caller is
// told that it does not know, and the call made again succeeds. prepare, which may be
// nil, makes each time what the call takes away.
func lost(s *suite, callName string, prepare func(), call func() error, check func()) {
	s.Helper()
	for _, fail := range []func(){
		func() { s.FailBefore(s.T, callName) },
		func() { s.FailAfter(s.T, callName) },
	} {
		if prepare != nil {
			prepare()
		}
		fail()
		s.requireKind(platform.KindAmbiguous, call())
		require.NoError(s, call())
		check()
	}
}
