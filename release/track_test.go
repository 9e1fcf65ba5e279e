package release_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func answer(v release.Verdict) release.Result {
	return release.Result{Check: "asked", Verdict: v, Value: "seen", Bound: "wanted", Link: "http://127.0.0.1/graph"}
}

// answered is a check's standing after some answers, a minute apart.
func answered(c spec.Check, answers ...release.Verdict) release.Result {
	var tracks release.Tracks
	for i, v := range answers {
		tracks = tracks.Take(c, answer(v), t0.Add(time.Duration(i)*time.Minute))
	}
	return tracks.Standing([]spec.Check{c})[0]
}

func TestWhereACheckStands(t *testing.T) {
	plain := spec.Check{Name: "plain", Passes: 1}
	patient := spec.Check{Name: "patient", Passes: 3, Failures: 2, Inconclusive: spec.InconclusiveHold}
	strict := spec.Check{Name: "strict", Passes: 1, Failures: 1, Inconclusive: spec.InconclusiveFail}
	for _, c := range []struct {
		name    string
		check   spec.Check
		answers []release.Verdict
		verdict release.Verdict
		value   string
	}{
		{"not asked", plain, nil, doubt, "not asked yet"},
		{"one good answer", plain, []release.Verdict{pass}, pass, "seen"},
		{"one bad answer", plain, []release.Verdict{fail}, fail, "seen"},
		{"one that tells nothing", plain, []release.Verdict{doubt}, doubt, "seen"},
		{"one without a verdict", plain, []release.Verdict{""}, doubt, "seen"},
		{"good again", plain, []release.Verdict{fail, pass}, pass, "seen"},
		{"good, then not known", plain, []release.Verdict{pass, doubt}, doubt, "seen"},
		{"bad, then not known: nobody knows that it is bad still", plain, []release.Verdict{fail, doubt}, doubt, "seen"},
		{"no passes given means one", spec.Check{Name: "bare"}, []release.Verdict{pass}, pass, "seen"},

		{"not enough good ones", patient, []release.Verdict{pass, pass}, doubt, "seen (2 of 3 good in a row)"},
		{"enough", patient, []release.Verdict{pass, pass, pass}, pass, "seen"},
		{"more than enough", patient, []release.Verdict{pass, pass, pass, pass}, pass, "seen"},
		{"the row is broken by a bad one", patient, []release.Verdict{pass, pass, fail, pass}, doubt, "seen (1 of 3 good in a row)"},
		{"the row is broken by one that tells nothing", patient, []release.Verdict{pass, pass, doubt, pass, pass}, doubt, "seen (2 of 3 good in a row)"},
		{"a bad one that is put up with does not pass", patient, []release.Verdict{pass, pass, pass, fail}, doubt, "seen (1 bad in a row, 2 are put up with)"},
		{"as many bad ones as are put up with", patient, []release.Verdict{fail, fail}, doubt, "seen (2 bad in a row, 2 are put up with)"},
		{"one more", patient, []release.Verdict{fail, fail, fail}, fail, "seen"},
		{"a good one between ends the row of bad ones", patient, []release.Verdict{fail, fail, pass, fail, fail}, doubt, "seen (2 bad in a row, 2 are put up with)"},
		{"one that tells nothing between does not", patient, []release.Verdict{fail, doubt, fail, doubt, fail}, fail, "seen"},

		{"not known counts as bad", strict, []release.Verdict{doubt}, doubt, "seen (1 bad in a row, 1 are put up with)"},
		{"not known twice", strict, []release.Verdict{doubt, doubt}, fail, "seen"},
		{"bad and not known", strict, []release.Verdict{fail, doubt}, fail, "seen"},
		{"good between", strict, []release.Verdict{doubt, pass, doubt}, doubt, "seen (1 bad in a row, 1 are put up with)"},
	} {
		r := answered(c.check, c.answers...)
		assert.Equal(t, c.verdict, r.Verdict, c.name)
		assert.Equal(t, c.value, r.Value, c.name)
		assert.Equal(t, c.check.Name, r.Check, "%s: the name is the check's", c.name)
		if len(c.answers) > 0 {
			assert.Equal(t, "http://127.0.0.1/graph", r.Link, "%s: the evidence keeps its link", c.name)
			assert.Equal(t, "wanted", r.Bound, c.name)
		}
	}
}

func TestAChecksTurn(t *testing.T) {
	always, slow := spec.Check{Name: "always"}, spec.Check{Name: "slow", Interval: spec.Duration(time.Minute)}
	var tracks release.Tracks
	require.True(t, tracks.Due(always, t0))
	require.True(t, tracks.Due(slow, t0), "what was never asked is asked at once")
	tracks = tracks.Take(always, answer(pass), t0).Take(slow, answer(doubt), t0)
	require.True(t, tracks.Due(always, t0.Add(time.Second)), "no interval: in every round")
	require.False(t, tracks.Due(slow, t0.Add(time.Minute-1)))
	require.True(t, tracks.Due(slow, t0.Add(time.Minute)), "an answer that told nothing waits for its turn as well")
	require.True(t, tracks.Due(spec.Check{Name: "new", Interval: slow.Interval}, t0.Add(time.Second)))
}

// Random answers to several checks in any order.
func TestTracks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checks := make([]spec.Check, rapid.IntRange(1, 4).Draw(t, "checks"))
		for i := range checks {
			checks[i] = spec.Check{
				Name: string(rune('a' + i)), Passes: rapid.IntRange(0, 4).Draw(t, "passes"), Failures: rapid.IntRange(0, 3).Draw(t, "failures"),
				Inconclusive: rapid.SampledFrom([]string{"", spec.InconclusiveHold, spec.InconclusiveFail}).Draw(t, "inconclusive"),
			}
		}
		got := make([][]release.Verdict, len(checks))
		var tracks release.Tracks
		for n := range rapid.IntRange(0, 40).Draw(t, "answers") {
			i := rapid.IntRange(0, len(checks)-1).Draw(t, "check")
			c, v := checks[i], rapid.SampledFrom([]release.Verdict{pass, fail, doubt, ""}).Draw(t, "verdict")
			before, others := slices.Clone(tracks), slices.Clone(tracks.Standing(checks))
			next := tracks.Take(c, answer(v), t0.Add(time.Duration(n)*time.Second))
			require.Equal(t, before, tracks, "what was known stays as it is")
			tracks, got[i] = next, append(got[i], v)

			standing := tracks.Standing(checks)
			require.Len(t, standing, len(checks))
			s := standing[i]
			if v != pass {
				require.NotEqual(t, pass, s.Verdict, "never pass after an answer that was not")
			}
			if v == pass || v != fail && c.Inconclusive != spec.InconclusiveFail {
				require.NotEqual(t, fail, s.Verdict, "never fail after a good answer or one that tells nothing")
			}
			standing[i], others[i] = release.Result{}, release.Result{}
			require.Equal(t, others, standing, "an answer to one check says nothing of another")
		}

		for i, c := range checks {
			require.Equal(t, expected(c, got[i]), tracks.Standing(checks)[i].Verdict, "%+v after %v", c, got[i])
		}
		turned := slices.Clone(tracks)
		slices.Reverse(turned)
		require.Equal(t, tracks.Standing(checks), turned.Standing(checks), "tracks have no order")
		require.Equal(t, tracks.Standing(checks)[:1], tracks.Standing(checks[:1]), "checks that are gone from the spec are ignored")
		var read release.Tracks
		written, err := json.Marshal(tracks)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(written, &read))
		require.Equal(t, tracks.Standing(checks), read.Standing(checks), "the same after it was continued as new")
	})
}

// expected is the standing by the words of the spec, counted backwards from the last answer.
func expected(c spec.Check, answers []release.Verdict) release.Verdict {
	bad := func(v release.Verdict) bool {
		return v == fail || v != pass && c.Inconclusive == spec.InconclusiveFail
	}
	goods, bads := 0, 0
	for _, v := range slices.Backward(answers) {
		if v != pass {
			break
		}
		goods++
	}
	for _, v := range slices.Backward(answers) {
		if v == pass {
			break
		}
		if bad(v) {
			bads++
		}
	}
	switch n := len(answers); {
	case goods >= max(1, c.Passes):
		return pass
	case n > 0 && bad(answers[n-1]) && bads > c.Failures:
		return fail
	}
	return doubt
}
