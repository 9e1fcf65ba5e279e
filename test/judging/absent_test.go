//go:build judging

package judging

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// questions are enough to be sure that a release waits, however often it asks.
const questions = 12

// A source of evidence that is down, throttles or says NaN never promotes, in whatever
// place a verdict is taken. Once it answers again the release goes on by itself.
func TestNoEvidenceNeverPromotes(t *testing.T) {
	t.Parallel()
	places := []struct {
		name    string
		differs string
		held    func(st release.State) bool // the release waits where it should, past the time it would wait anyway
	}{
		{"verification", "verification: {checks: [CHECK], within: 5s}", func(st release.State) bool {
			return st.Phase == release.PhaseVerify && !st.Regions[0].Switched
		}},
		{"analysis", `
traffic:
  strategy: canary
  canary: {steps: [{weight: 20, hold: 1s}]}
  analysis: {interval: 300ms, checks: [CHECK]}`, func(st release.State) bool {
			r := st.Regions[0]
			return st.Phase == release.PhaseSwitch && r.Share == 20 && len(r.Steps) == 1 && time.Now().After(r.Steps[0].Shifted.Add(time.Second))
		}},
		{"soak", "traffic: {watch: 0s}\nsoak: {duration: 1s, checks: [CHECK]}", func(st release.State) bool {
			return st.Phase == release.PhaseSoak && time.Now().After(st.Soak.End)
		}},
	}
	for _, p := range places {
		for _, trouble := range []string{isDown, throttles, saysNaN} {
			tell(t, spec.PlatformLocal, "unknown-"+p.name+"-"+map[string]string{isDown: "down", throttles: "throttled", saysNaN: "nan"}[trouble], func(s *story) {
				l := s.load(s.live(""), 20)
				m := meddle(s.t, s.prometheus("v2", 2).URL)
				m.set(trouble)
				check := fmt.Sprintf(`{name: up, prometheus: {url: "%s", query: 'count(process_start_time_seconds{fleet="$fleet"})', min: 1, timeout: 2s}}`, m.URL)
				h := s.start("v2", "2.0.0", strings.ReplaceAll(p.differs, "CHECK", check))
				s.until(h, "the release waits", func(st release.State) bool {
					return m.asked.Load() >= questions && len(st.Regions) > 0 && p.held(st)
				})
				if p.name == "verification" || trouble == isDown { // a watch calls after five minutes; one of each is enough to wait for
					s.within(6*time.Minute, h, "a person is called", func(st release.State) bool { return len(st.Warnings) > 0 })
				}
				asked := m.asked.Load()
				st := s.until(h, "it goes on asking", func(release.State) bool { return m.asked.Load() >= asked+questions })
				require.True(s.t, p.held(st), "%s", s.excerpt(st))
				m.set(answers)
				s.completed(h)
				s.noneFailed(l)
				s.settled("v2", 2)
			})
		}
	}
}
