package release_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

const previous = "checkout-production-r41"

func TestPlanOfANormalRelease(t *testing.T) {
	r := aRequest(switchGate(), lastGate())
	r.Spec.Decommission.Window = &spec.Window{From: "02:00", To: "04:00", TimeZone: "UTC"}
	p, err := release.MakePlan(r, observed(serving("local-a", previous, 2)))
	require.NoError(t, err)
	assert.Equal(t, []release.PlanRegion{{
		Name: "local-a", Role: "active", Wave: 1, Entry: "http://127.0.0.1:8080",
		Candidate: "checkout-production-r42", Previous: previous, From: "1.0.0", Capacity: 2,
	}}, p.Regions)
	assert.Equal(t, release.PlanImage{Action: release.ImageBake, InputDigest: "sha256:inputs"}, p.Image)
	assert.Equal(t, []string{
		"bake checkout 2.0.0 with Packer template image.pkr.hcl, at most 30m",
		"scan the image for secrets",
		"local-a: provision 2 instances as fleet checkout-production-r42, verify 2 rounds in a row",
		`gate "switch": wait for 1 approval, at most 1h`,
		"local-a: move all traffic from checkout-production-r41 (1.0.0) to checkout-production-r42 (2.0.0)",
		"soak 24h, every fleet that has served stays up, looked at every 1m",
		`gate "retire": wait for 1 approval, at most 1h`,
		"wait for the window 02:00–04:00 UTC",
		"local-a: see checkout-production-r41 without a request for 10s, take it out of the route, stop its instances",
		"local-a: delete checkout-production-r41 (the point of no return)",
		"keep the newest 5 images",
	}, p.Steps)
	assert.Regexp(t, `^sha256:[0-9a-f]{64}$`, p.Digest)
}

func TestPlanOfAFirstRelease(t *testing.T) {
	for name, weights := range map[string]release.Weights{
		"no route":            nil,
		"a route to no fleet": {{Fleet: "checkout-production-r40", Percent: 0}},
	} {
		p, err := release.MakePlan(aRequest(), observed(release.ObservedRegion{Name: "local-a", Weights: weights}))
		require.NoError(t, err, name)
		assert.Empty(t, p.Regions[0].Previous, name)
		steps := strings.Join(p.Steps, "\n")
		assert.Contains(t, steps, "local-a: first release, give checkout-production-r42 all traffic", name)
		assert.NotContains(t, steps, "point of no return", "nothing is taken away")
	}
}

func TestPlanAdoptsAFleetThatSwitchyardDidNotMake(t *testing.T) {
	seen := observed(serving("local-a", "legacy", 3))
	seen.Regions[0].Fleets[0].Release, seen.Regions[0].Fleets[0].Version = "", ""
	r := aRequest()
	p, err := release.MakePlan(r, seen)
	require.NoError(t, err)
	assert.True(t, p.Regions[0].Adopted)
	assert.Equal(t, 3, p.Regions[0].Capacity, "as many as serve now, though the spec says 2")
	steps := strings.Join(p.Steps, "\n")
	assert.Contains(t, steps, "move all traffic from legacy (version unknown)")
	assert.Contains(t, steps, "leave legacy as it is, without traffic: Switchyard did not make it")
	assert.NotContains(t, steps, "point of no return")

	s := release.NewState(r, t0)
	s.Adopt(p)
	assert.True(t, s.Regions[0].Adopted)

	r.Spec.Decommission.Adopted = spec.Remove
	p, err = release.MakePlan(r, seen)
	require.NoError(t, err)
	assert.Contains(t, strings.Join(p.Steps, "\n"), "delete legacy (the point of no return)")
}

func TestWhichImageIsPlanned(t *testing.T) {
	seen := observed(serving("local-a", previous, 2))
	seen.Reusable = &release.Image{Ref: "sha256:old"}
	r := aRequest()
	p, err := release.MakePlan(r, seen)
	require.NoError(t, err)
	assert.Equal(t, release.PlanImage{Action: release.ImageReuse, Ref: "sha256:old", InputDigest: "sha256:inputs"}, p.Image)

	r.Spec.Image.Packer.Rebake = true
	p, err = release.MakePlan(r, seen)
	require.NoError(t, err)
	assert.Equal(t, release.ImageBake, p.Image.Action)

	r.Spec.Image = spec.Image{Existing: "sha256:given"}
	p, err = release.MakePlan(r, seen)
	require.NoError(t, err)
	assert.Equal(t, release.PlanImage{Action: release.ImageExisting, Ref: "sha256:given"}, p.Image)
	assert.Equal(t, "use image sha256:given", p.Steps[0])
}

func TestWhatIsNotPlanned(t *testing.T) {
	weights := func(w ...release.Weight) release.Observed {
		o := observed(serving("local-a", previous, 2))
		o.Regions[0].Weights = w
		return o
	}
	for _, c := range []struct {
		name string
		seen release.Observed
		want string
	}{
		{"unknown region", observed(serving("local-z", previous, 2)), `plan region local-a: the platform said nothing about it; check the region's name`},
		{"split traffic", weights(release.Weight{Fleet: "a", Percent: 90}, release.Weight{Fleet: "b", Percent: 10}),
			`plan region local-a: traffic is split (a 90 %, b 10 %), so no fleet is the live one; move it to one fleet, then release again`},
		{"shares that make no sense", weights(release.Weight{Fleet: "a", Percent: 100}, release.Weight{Fleet: "b", Percent: 100}),
			`plan region local-a: traffic is split (a 100 %, b 100 %), so no fleet is the live one; move it to one fleet, then release again`},
		{"unknown live fleet", weights(release.Weight{Fleet: "ghost", Percent: 100}),
			`plan region local-a: the router sends all traffic to fleet ghost, which the platform does not list; look why before you release`},
		{"own fleet serves", weights(release.Weight{Fleet: "checkout-production-r42", Percent: 100}),
			`plan region local-a: fleet checkout-production-r42 of this release serves already; use a new release id`},
	} {
		_, err := release.MakePlan(aRequest(), c.seen)
		assert.EqualError(t, err, c.want, c.name)
	}
	r := aRequest()
	r.Spec.Image = spec.Image{}
	_, err := release.MakePlan(r, observed(serving("local-a", previous, 2)))
	assert.EqualError(t, err, "plan release r42: the spec names no image; give image.packer, image.existing or image.retained")
}

func TestCapacityIsForTodaysLoad(t *testing.T) {
	for _, c := range []struct{ region, fleet, serving, want int }{
		{0, 2, 2, 2}, {0, 2, 5, 5}, {4, 2, 2, 4}, {1, 3, 2, 2}, {0, 3, 0, 3},
	} {
		r := aRequest()
		r.Spec.Fleet.Instances, r.Spec.Regions[0].Instances = c.fleet, c.region
		p, err := release.MakePlan(r, observed(serving("local-a", previous, c.serving)))
		require.NoError(t, err)
		assert.Equal(t, c.want, p.Regions[0].Capacity, c)
	}
}

func TestWavesHaveNoGaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 8).Draw(t, "waves")
		r := aRequest()
		r.Spec.Regions = nil
		var seen release.Observed
		old := map[string]int{}
		for i, w := range given {
			name := string(rune('a' + i))
			old[name] = max(1, w)
			r.Spec.Regions = append(r.Spec.Regions, spec.Region{Name: name, Wave: w})
			seen.Regions = append(seen.Regions, serving(name, previous, 2))
		}
		p, err := release.MakePlan(r, seen)
		require.NoError(t, err)
		require.Len(t, p.Regions, len(given))
		require.Equal(t, 1, p.Regions[0].Wave)
		for i, a := range p.Regions {
			if i > 0 {
				require.Contains(t, []int{0, 1}, a.Wave-p.Regions[i-1].Wave)
			}
			for _, b := range p.Regions {
				require.Equal(t, old[a.Name] < old[b.Name], a.Wave < b.Wave, "the order of the spec's waves stays")
			}
		}
		s := release.NewState(r, t0)
		s.Adopt(p)
		require.Equal(t, p.Regions[len(p.Regions)-1].Wave, s.LastWave())
		n := 0
		for w := 1; w <= s.LastWave(); w++ {
			require.NotEmpty(t, s.RegionsOf(w))
			n += len(s.RegionsOf(w))
		}
		require.Equal(t, len(given), n, "every region is in one wave")
	})
}

// Everything an approver should be asked about again. Each change gives a digest
// that no other one gives.
func TestTheDigestKnowsEveryChange(t *testing.T) {
	type change struct {
		name string
		do   func(*release.Request, *release.Observed)
	}
	changes := []change{
		{"nothing", func(*release.Request, *release.Observed) {}},
		{"release id", func(r *release.Request, _ *release.Observed) { r.ID = "r43" }},
		{"application", func(r *release.Request, _ *release.Observed) { r.Spec.Application = "cart" }},
		{"environment", func(r *release.Request, _ *release.Observed) { r.Spec.Environment = "staging" }},
		{"version", func(r *release.Request, _ *release.Observed) { r.Spec.Version = "2.0.1" }},
		{"commit", func(r *release.Request, _ *release.Observed) { r.Spec.Commit = "abc1234" }},
		{"template", func(r *release.Request, _ *release.Observed) { r.Spec.Image.Packer.Template = "other.hcl" }},
		{"variable", func(r *release.Request, _ *release.Observed) {
			r.Spec.Image.Packer.Variables = map[string]string{"a": "b"}
		}},
		{"secret reference", func(r *release.Request, _ *release.Observed) {
			r.Spec.Image.Packer.Secrets = map[string]string{"a": "env:B"}
		}},
		{"provenance", func(r *release.Request, _ *release.Observed) { r.Spec.Image.Provenance.Verify = true }},
		{"region's capacity", func(r *release.Request, _ *release.Observed) { r.Spec.Regions[0].Instances = 7 }},
		{"role", func(r *release.Request, _ *release.Observed) { r.Spec.Regions[0].Role = spec.RoleStandby }},
		{"command", func(r *release.Request, _ *release.Observed) { r.Spec.Fleet.Command = []string{"/app/checkout", "-x"} }},
		{"variable of the process", func(r *release.Request, _ *release.Observed) { r.Spec.Fleet.Environment = map[string]string{"A": "b"} }},
		{"health path", func(r *release.Request, _ *release.Observed) { r.Spec.Fleet.HealthPath = "/live" }},
		{"verification", func(r *release.Request, _ *release.Observed) { r.Spec.Verification.Consecutive = 3 }},
		{"drain", func(r *release.Request, _ *release.Observed) { r.Spec.Traffic.Drain = ptr(spec.Duration(time.Second)) }},
		{"a gate more", func(r *release.Request, _ *release.Observed) { r.Spec.Gates = append(r.Spec.Gates, lastGate()) }},
		{"no gate", func(r *release.Request, _ *release.Observed) { r.Spec.Gates = []spec.Gate{} }},
		{"approvers", func(r *release.Request, _ *release.Observed) { r.Spec.Gates[0].Approvers = []string{"eve"} }},
		{"four eyes", func(r *release.Request, _ *release.Observed) { r.Spec.Gates[0].FourEyes = ptr(false) }},
		{"soak", func(r *release.Request, _ *release.Observed) { r.Spec.Soak.Duration = ptr(spec.Duration(time.Hour)) }},
		{"breach", func(r *release.Request, _ *release.Observed) { r.Spec.Soak.Breach = ptr(spec.Duration(0)) }},
		{"error rate", func(r *release.Request, _ *release.Observed) { r.Spec.Soak.MaxErrorRate = ptr(spec.Percent(2)) }},
		{"window", func(r *release.Request, _ *release.Observed) {
			r.Spec.Decommission.Window = &spec.Window{From: "02:00", To: "03:00"}
		}},
		{"retention", func(r *release.Request, _ *release.Observed) { r.Spec.Retention.Candidate = spec.Keep }},
		{"inputs of the bake", func(_ *release.Request, o *release.Observed) { o.InputDigest = "sha256:other" }},
		{"reusable image", func(_ *release.Request, o *release.Observed) { o.Reusable = &release.Image{Ref: "sha256:x"} }},
		{"entry", func(_ *release.Request, o *release.Observed) { o.Regions[0].Entry = "http://127.0.0.2:80" }},
		{"live fleet", func(_ *release.Request, o *release.Observed) { o.Regions[0] = serving("local-a", "other", 2) }},
		{"live version", func(_ *release.Request, o *release.Observed) { o.Regions[0].Fleets[0].Version = "1.0.1" }},
		{"live capacity", func(_ *release.Request, o *release.Observed) { o.Regions[0] = serving("local-a", previous, 9) }},
		{"live fleet's maker", func(_ *release.Request, o *release.Observed) { o.Regions[0].Fleets[0].Release = "" }},
		{"no live fleet", func(_ *release.Request, o *release.Observed) { o.Regions[0].Weights = nil }},
	}
	digests := map[string]string{}
	for _, c := range changes {
		digestNow := func() string {
			r, o := aRequest(switchGate()), observed(serving("local-a", previous, 2))
			c.do(&r, &o)
			p, err := release.MakePlan(r, o)
			require.NoError(t, err, c.name)
			return p.Digest
		}
		digest := digestNow()
		require.Equal(t, digest, digestNow(), "%s: the same input gives the same digest", c.name)
		require.Empty(t, digests[digest], "%s and %s have one digest", c.name, digests[digest])
		digests[digest] = c.name
	}
}

func TestTheDigestIgnoresTheOrderOfReads(t *testing.T) {
	r := aRequest()
	r.Spec.Regions = append(r.Spec.Regions, spec.Region{Name: "local-b", Wave: 1})
	r.Spec.Fleet.Environment = map[string]string{"A": "1", "B": "2", "C": "3", "D": "4"}
	rapid.Check(t, func(t *rapid.T) {
		var regions []release.ObservedRegion
		for _, name := range []string{"local-a", "local-b"} {
			o := serving(name, previous, 2)
			o.Fleets = append(o.Fleets, release.Fleet{Name: "older"}, release.Fleet{Name: "oldest"})
			o.Weights = append(o.Weights, release.Weight{Fleet: "older"})
			o.Fleets = rapid.Permutation(o.Fleets).Draw(t, "fleets")
			o.Weights = rapid.Permutation(o.Weights).Draw(t, "weights")
			regions = append(regions, o)
		}
		p, err := release.MakePlan(r, observed(rapid.Permutation(regions).Draw(t, "regions")...))
		require.NoError(t, err)
		want, err := release.MakePlan(r, observed(serving("local-a", previous, 2), serving("local-b", previous, 2)))
		require.NoError(t, err)
		require.Equal(t, want, p)
	})
}

func TestLedger(t *testing.T) {
	var l release.Ledger
	l.Set(release.KindFleet, "local-a", "r42", release.LedgerPlanned, "", t0)
	l.Set(release.KindFleet, "local-b", "r42", release.LedgerPlanned, "", t0)
	l.Set(release.KindHold, "local-a", "r42", release.LedgerMade, "until the soak ends", t0)
	l.Set(release.KindFleet, "local-a", "r41", release.LedgerTaken, "not made by Switchyard", t0)
	require.Len(t, l, 4, "one line per kind, region and name")
	require.Len(t, l.Open(release.KindFleet), 2, "what was planned may exist; what was taken over is not ours to remove")

	l.Set(release.KindFleet, "local-a", "r42", release.LedgerMade, "", t0.Add(time.Minute))
	l.Set(release.KindFleet, "local-a", "r42", release.LedgerMade, "", t0.Add(time.Minute))
	l.Set(release.KindFleet, "local-b", "r42", release.LedgerGone, "never came up", t0)
	l.Set(release.KindHold, "local-a", "r42", release.LedgerGone, "", t0)
	require.Len(t, l, 4, "a line is never removed")
	require.Equal(t, []release.Resource{{Kind: release.KindFleet, Region: "local-a", Name: "r42", Status: release.LedgerMade, At: t0.Add(time.Minute)}}, l.Open(release.KindFleet))
	require.Empty(t, l.Open(release.KindHold))
	require.Equal(t, "until the soak ends", l[2].Note, "a note stays until there is a new one")
	l.Set(release.KindFleet, "local-a", "r42", release.LedgerKept, "serves", t0)
	require.Empty(t, l.Open(release.KindFleet))
}
