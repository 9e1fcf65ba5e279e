//go:build judging

package judging

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release/spec"
)

// analysis judges by what users see: failures and time, against the live fleet.
const analysis = `
    interval: 300ms
    compare:
      - {name: errors, critical: true, minSamples: 5, errors: {minRequests: 2}}
      - {name: latency, critical: true, minSamples: 15, tolerance: 100%, latency: {path: "/checkout?item=tea:2", requests: 5}}
`

// ways are the strategies, each with the share of the traffic that its first step gives.
var ways = []struct {
	name    string
	traffic string
	first   int // percent
	steps   int // with four instances
}{
	{spec.BlueGreen, `
  strategy: blue-green
  watch: 2s
`, 100, 1},
	{spec.CanaryWay, `
  strategy: canary
  watch: 1s
  canary: {steps: [{weight: 10, hold: 2s}, {weight: 50, hold: 1s}]}
  analysis: ` + analysis, 10, 3},
	{spec.RollingBy, `
  strategy: rolling
  watch: 1s
  rolling: {batch: 25%, surge: 25%, minHealthy: 100%, warmUp: 2s, keep: 1}
  analysis: ` + analysis, 25, 4},
}

// A good version is released by every strategy on both platforms, and nobody notices.
func TestGoodReleases(t *testing.T) {
	t.Parallel()
	for _, platform := range []string{spec.PlatformLocal, spec.PlatformAWS} {
		for _, way := range ways {
			tell(t, platform, "good-"+platform+"-"+way.name, func(s *story) {
				l := s.load(s.live("{soak: {duration: 0s}, traffic: {watch: 0s}, fleet: {instances: 4}}"), 40)
				st := s.completed(s.start("v2", "2.0.0", "fleet: {instances: 4}\ntraffic:"+way.traffic))
				require.Empty(s.t, st.Warnings, "%s", s.excerpt(st))
				require.Len(s.t, st.Regions[0].Steps, way.steps, "%s", s.excerpt(st))
				s.noneFailed(l)
				require.NotZero(s.t, l.Answered()[s.fleet("v2")])
				s.settled("v2", 4)
			})
		}
	}
}
