package cloud

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
)

const shop = "shop/production"

func at(minute int64, second int) time.Time {
	return time.Unix(minute*60+int64(second), 0).UTC()
}

func ended(t time.Time, target string) string {
	return fmt.Sprintf("{\"ts\":%d.25,\"status\":200,\"up\":\"a:1\",\"live\":\"one\",\"target\":%q}\n", t.Unix(), target)
}

// watched is a counter and the log it reads.
type watched struct {
	*testing.T
	*counter
	log    string
	routes map[string]time.Time
}

func watch(t *testing.T, first int64) *watched {
	dir := t.TempDir()
	n, err := newCounter(dir)
	require.NoError(t, err)
	n.Closed = first - 1
	return &watched{T: t, counter: n, log: filepath.Join(dir, "access.log"), routes: map[string]time.Time{shop: {}}}
}

func (r *watched) look(now time.Time) {
	r.Helper()
	require.NoError(r, r.read(map[string]string{"a:1": "one"}, r.routes, now))
}

func (r *watched) restart() {
	r.Helper()
	n, err := newCounter(r.dir)
	require.NoError(r, err)
	r.counter = n
}

func (r *watched) minutes(first, end int64) map[int64]float64 {
	out := map[int64]float64{}
	for _, l := range r.history.read(shop, span{since: at(first, 0), until: at(end, 0), step: 1}, at(end+1000, 0)) {
		out[minuteOf(l.At)] = l.Requests
	}
	return out
}

func thisMinute() int64 { return minuteOf(time.Now()) - 60 }

func TestAMinuteIsKnownWhenItIsOverAndReadInFull(t *testing.T) {
	m := thisMinute()
	r := watch(t, m)
	appendLine(t, r.log, ended(at(m, 1), shop)+ended(at(m, 59), shop)+ended(at(m+1, 0), shop)+ended(at(m, 5), "other/production"))
	r.look(at(m, 59))
	require.Empty(t, r.minutes(m-5, m+5), "it is not over")
	r.look(at(m+1, 0))
	require.Empty(t, r.minutes(m-5, m+5), "its last requests may not be in the log yet")
	r.look(at(m+1, 2))
	require.Equal(t, map[int64]float64{m: 2}, r.minutes(m-5, m+5))
	r.look(at(m+4, 0))
	require.Equal(t, map[int64]float64{m: 2, m + 1: 1, m + 2: 0}, r.minutes(m-5, m+5), "a minute without requests is known too")
	appendLine(t, r.log, ended(at(m, 59), shop))
	r.look(at(m+4, 1))
	require.Equal(t, map[int64]float64{m: 3, m + 1: 1, m + 2: 0}, r.minutes(m-5, m+5), "a late line is added")
}

func TestMinutesSurviveARestartAndWhatWasLoggedMeanwhileIsCounted(t *testing.T) {
	m := thisMinute()
	r := watch(t, m)
	appendLine(t, r.log, ended(at(m, 1), shop)+ended(at(m+1, 1), shop))
	r.look(at(m+1, 30))
	require.NoError(t, r.save())
	appendLine(t, r.log, ended(at(m+1, 40), shop)+ended(at(m+2, 1), shop)) // nobody reads it
	r.restart()
	r.look(at(m+5, 2))
	require.Equal(t, map[int64]float64{m: 1, m + 1: 2, m + 2: 1, m + 3: 0, m + 4: 0}, r.minutes(m-5, m+9))
}

func TestWhatCannotBeKnownIsNotKnown(t *testing.T) {
	m := thisMinute()
	r := watch(t, m)
	appendLine(t, r.log, ended(at(m, 1), shop))
	r.look(at(m+1, 2))
	r.routes["late/production"] = at(m+2, 30)
	r.look(at(m+4, 2))
	late := r.history.read("late/production", span{since: at(m-5, 0), until: at(m+9, 0), step: 1}, at(m+100, 0))
	require.Equal(t, []release.Load{{At: at(m+2, 0)}, {At: at(m+3, 0)}}, late, "a target is known from the minute it was made in")

	require.NoError(t, r.save())
	require.NoError(t, os.Rename(r.log, filepath.Join(r.dir, "rolled-away"))) // before anybody read it
	appendLine(t, r.log, ended(at(m+10, 1), shop))
	now := minuteOf(time.Now())
	r.restart()
	r.look(at(now+2, 2))
	require.Equal(t, map[int64]float64{m: 1, m + 1: 0, m + 2: 0, m + 3: 0}, r.minutes(m-5, now))
	require.LessOrEqual(t, len(r.minutes(now, now+9)), 1, "the minute in which it was noticed is not known in full")
}

func TestOldLoadIsForgotten(t *testing.T) {
	m := thisMinute()
	r := watch(t, m)
	for days := range int64(20) {
		r.history.set(shop, m-days*24*60, 1)
	}
	require.NoError(t, r.history.save(time.Now()))
	files, err := filepath.Glob(filepath.Join(r.dir, "load", "*.json"))
	require.NoError(t, err)
	require.LessOrEqual(t, len(files), keptDays)
	require.GreaterOrEqual(t, len(files), 15, "15 days at least")
	r.restart()
	require.Len(t, r.minutes(m-30*24*60, m+1), len(files))
}

func TestStepsAreSumsOfMinutesThatAreAllKnown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &history{days: map[string]map[string]map[int]float64{}, dirty: map[string]bool{}}
		base := minuteOf(time.Now()) - 3*24*60
		known := map[int64]float64{}
		for m := base; m < base+200; m++ {
			if rapid.IntRange(0, 20).Draw(t, "hole") > 0 {
				known[m] = float64(rapid.IntRange(0, 9).Draw(t, "requests"))
				h.set(shop, m, known[m])
			}
		}
		step := int64(rapid.IntRange(1, 30).Draw(t, "step"))
		since, until := base+int64(rapid.IntRange(-10, 150).Draw(t, "since")), base+int64(rapid.IntRange(0, 220).Draw(t, "until"))
		want := []release.Load{}
		for m := base - 60; m < base+300; m++ {
			if m%step != 0 || m < since || m+step > until {
				continue
			}
			sum, all := 0.0, true
			for k := m; k < m+step; k++ {
				v, ok := known[k]
				sum, all = sum+v, all && ok
			}
			if all {
				want = append(want, release.Load{At: at(m, 0), Requests: sum})
			}
		}
		require.Equal(t, want, h.read(shop, span{since: at(since, 0), until: at(until, 0), step: step}, time.Now()))
	})
}

func TestSpansThatMakeNoSense(t *testing.T) {
	now := time.Now().Format(time.RFC3339Nano)
	for _, c := range [][3]string{{now, now, "30s"}, {now, now, "90s"}, {now, "later", "1m"}, {"", now, "1m"}, {now, now, ""}} {
		_, err := parseSpan(c[0], c[1], c[2])
		require.Error(t, err, c)
	}
	s, err := parseSpan(now, now, "1h0m0s")
	require.NoError(t, err)
	require.EqualValues(t, 60, s.step)
}
