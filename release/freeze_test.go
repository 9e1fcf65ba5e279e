package release_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
)

// freezeOf begins and ends so long after t0.
func freezeOf(name string, from, until time.Duration) release.Freeze {
	return release.Freeze{Name: name, By: "eve", Reason: "the fair", From: t0.Add(from), Until: t0.Add(until)}
}

func TestFrozenBy(t *testing.T) {
	at := func(d time.Duration, freezes ...release.Freeze) string {
		if f := release.FrozenBy(freezes, t0.Add(d)); f != nil {
			return f.Name
		}
		return ""
	}
	a, b := freezeOf("a", 0, time.Hour), freezeOf("b", 30*time.Minute, 2*time.Hour)
	assert.Empty(t, at(0))
	assert.Empty(t, at(-1, a, b))
	assert.Equal(t, "a", at(0, a, b), "its first moment is frozen")
	assert.Equal(t, "b", at(45*time.Minute, a, b), "the one that ends last")
	assert.Equal(t, "b", at(45*time.Minute, b, a))
	assert.Empty(t, at(time.Hour, a), "its last one is not")
	assert.Equal(t, "b", at(time.Hour, a, b))
	assert.Equal(t, `freeze "a" until 2026-03-02T11:00:00Z by eve: the fair`, a.String())
}

func TestFreezesThatAreNotTaken(t *testing.T) {
	for want, change := range map[string]func(*release.Freeze){
		`freeze: "name", "by" and "reason" are needed`:          func(f *release.Freeze) { f.Reason = " " },
		`freeze: names have at most 200 bytes, the reason 1000`: func(f *release.Freeze) { f.Reason = strings.Repeat("x", 1001) },
		`freeze: it ends before it begins`:                      func(f *release.Freeze) { f.Until = f.From },
		`freeze: it is over already`:                            func(f *release.Freeze) { f.From, f.Until = t0.Add(-time.Hour), t0 },
		`freeze: it is longer than 180 days`:                    func(f *release.Freeze) { f.Until = f.From.Add(181 * 24 * time.Hour) },
	} {
		e := anEnvironment()
		f := freezeOf("fair", 0, time.Hour)
		change(&f)
		before := asJSON(t, e)
		require.EqualError(t, e.Freeze(f, t0), want)
		require.Equal(t, before, asJSON(t, e))
	}
}

func TestFreezingAndThawing(t *testing.T) {
	e := anEnvironment()
	require.NoError(t, e.Freeze(freezeOf("fair", 0, time.Hour), t0))
	require.Equal(t, t0, e.Freezes[0].At)
	require.NoError(t, e.Freeze(freezeOf("fair", 0, 2*time.Hour), t0), "one of the same name is replaced")
	require.Len(t, e.Freezes, 1)
	require.NoError(t, e.Freeze(freezeOf("later", 5*time.Hour, 6*time.Hour), t0.Add(3*time.Hour)))
	require.Len(t, e.Freezes, 1, "one that is over is forgotten")
	require.EqualError(t, e.Thaw("fair"), `unfreeze: checkout/production has no freeze "fair"`)
	require.NoError(t, e.Thaw("later"))
	require.Empty(t, e.Freezes)
}

func TestFreezesAreBounded(t *testing.T) {
	e := anEnvironment()
	for i := range 50 {
		require.NoError(t, e.Freeze(freezeOf(fmt.Sprint(i), 0, time.Hour), t0))
	}
	require.EqualError(t, e.Freeze(freezeOf("one more", 0, time.Hour), t0), "freeze: there are 50 freezes already, the most there may be; end some first")
	require.NoError(t, e.Freeze(freezeOf("7", 0, time.Hour), t0), "one that is replaced is not one more")
	require.NoError(t, e.Freeze(freezeOf("one more", 2*time.Hour, 3*time.Hour), t0.Add(time.Hour)), "those that are over do not count")
}

// Whatever freezes are ordered and ended: a moment is frozen exactly when a freeze that
// was taken and not ended has it.
func TestFreezesHoldForTheirTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := anEnvironment()
		model := map[string]release.Freeze{}
		now := t0
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "later")) * time.Minute)
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
			if rapid.IntRange(0, 3).Draw(t, "thaw") == 0 {
				_ = e.Thaw(name)
				delete(model, name)
			} else {
				f := release.Freeze{Name: name, By: "eve", Reason: "why", From: now.Add(time.Duration(rapid.IntRange(-60, 60).Draw(t, "from")) * time.Minute)}
				f.Until = f.From.Add(time.Duration(rapid.IntRange(-10, 120).Draw(t, "length")) * time.Minute)
				if e.Freeze(f, now) == nil {
					model[name] = f
				}
			}
			frozen := false
			for _, f := range model {
				frozen = frozen || !now.Before(f.From) && now.Before(f.Until)
			}
			require.Equal(t, frozen, release.FrozenBy(e.Freezes, now) != nil)
		}
	})
}
