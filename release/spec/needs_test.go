package spec_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/switchyard/switchyard/release/spec"
)

// The time a release needs grows with everything that it is asked to wait for.
func TestNeeds(t *testing.T) {
	hour := spec.Duration(time.Hour)
	for name, c := range map[string]struct {
		change func(*spec.Spec)
		more   time.Duration // than 2 minutes of every region's own: provisioning and verification
	}{
		"nothing else":                {func(*spec.Spec) {}, 0},
		"a bake":                      {func(s *spec.Spec) { s.Image.Packer = &spec.Packer{Timeout: hour} }, time.Hour},
		"an image that was kept":      {func(s *spec.Spec) { s.Image.Retained = "1.4.1" }, 0},
		"a region of the same wave":   {func(s *spec.Spec) { s.Regions = append(s.Regions, spec.Region{Name: "b"}) }, 0},
		"a region of the next wave":   {func(s *spec.Spec) { s.Regions = append(s.Regions, spec.Region{Name: "b", Wave: 2}) }, 2 * time.Minute},
		"canary: growing and holding": {func(s *spec.Spec) { s.Traffic = canary(s.Traffic, hour, 2*hour) }, 3*time.Hour + 2*time.Minute},
		"rolling: four batches":       {func(s *spec.Spec) { s.Traffic = rolling(s.Traffic, hour, 25, 100) }, 4*time.Hour + 3*time.Minute},
		"rolling: what has to stay": {func(s *spec.Spec) {
			s.Traffic = rolling(s.Traffic, hour, 50, 1)
			least := spec.Percent(75)
			s.Traffic.Rolling.MinHealthy = &least
		}, 4*time.Hour + 3*time.Minute},
		"rolling: what surge allows":    {func(s *spec.Spec) { s.Traffic = rolling(s.Traffic, hour, 50, 1) }, 8*time.Hour + 7*time.Minute},
		"migrations":                    {migrate(hour), 2 * time.Hour},
		"the steps of the decommission": {func(s *spec.Spec) { s.Decommission = spec.Decommission{Hold: hour, Quiet: hour, Stopped: hour} }, 3*time.Hour - 10*time.Second},
		"two waves of batches": {func(s *spec.Spec) {
			s.Regions = append(s.Regions, spec.Region{Name: "b", Wave: 2, Instances: 2})
			s.Traffic = rolling(s.Traffic, hour, 25, 100)
		}, 6*time.Hour + 6*time.Minute},
	} {
		none := spec.Duration(0)
		s := spec.Spec{
			Regions: []spec.Region{{Name: "a"}}, Fleet: spec.Fleet{Instances: 8, ReadyWithin: spec.Duration(time.Minute)},
			Verification: spec.Verification{Within: spec.Duration(time.Minute)},
			Traffic:      spec.Traffic{Drain: &none, Watch: &none}, Soak: spec.Soak{Duration: &none},
		}
		c.change(&s)
		assert.Equal(t, 2*time.Minute+10*time.Second+c.more, s.Needs().Std(), name)
	}
}

func canary(t spec.Traffic, holds ...spec.Duration) spec.Traffic {
	t.Strategy, t.Canary = spec.CanaryWay, &spec.Canary{}
	for i, h := range holds {
		t.Canary.Steps = append(t.Canary.Steps, spec.CanaryStep{Weight: i + 1, Hold: h})
	}
	return t
}

func rolling(t spec.Traffic, warmUp spec.Duration, batch, surge spec.Percent) spec.Traffic {
	t.Strategy, t.Rolling = spec.RollingBy, &spec.Rolling{Batch: batch, Surge: &surge, WarmUp: &warmUp}
	return t
}

func migrate(timeout spec.Duration) func(*spec.Spec) {
	return func(s *spec.Spec) {
		half := &spec.Migration{Timeout: timeout}
		s.Migrations = &spec.Migrations{Schema: 2, Floor: 1, Expand: half, Contract: half}
	}
}

// A spec that is not whole yet can be asked, too.
func TestNeedsOfAnEmptySpec(t *testing.T) {
	empty := spec.Spec{Regions: []spec.Region{{}}, Traffic: spec.Traffic{Strategy: spec.RollingBy}}
	assert.Greater(t, empty.Needs().Std(), 24*time.Hour)
}
