package release_test

import (
	"bufio"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

const quarter = 15 * time.Minute

// recordedCurve is the curve in testdata, whose head says where it comes from.
func recordedCurve(t *testing.T) []release.Load {
	f, err := os.Open("testdata/request-curve.csv")
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	var out []release.Load
	for lines := bufio.NewScanner(f); lines.Scan(); {
		at, value, ok := strings.Cut(lines.Text(), ",")
		if strings.HasPrefix(lines.Text(), "#") || !ok {
			continue
		}
		begin, err := time.Parse(time.RFC3339, at)
		require.NoError(t, err)
		requests, err := strconv.ParseFloat(value, 64)
		require.NoError(t, err)
		out = append(out, release.Load{At: begin, Requests: requests})
	}
	require.Len(t, out, 8*96-12)
	return out
}

func measured(zone string, change func(*spec.Measured)) spec.Window {
	m := spec.Measured{Days: 7, Length: spec.Duration(2 * time.Hour), AtMost: 80}
	if change != nil {
		change(&m)
	}
	return spec.Window{Measured: &m, TimeZone: zone}
}

// curveOf is a curve of so many days from a time on, whose value hangs on the clock of the zone.
func curveOf(t require.TestingT, from time.Time, days int, zone string, requests func(minuteOfDay int) float64) []release.Load {
	location, err := time.LoadLocation(zone)
	require.NoError(t, err)
	var out []release.Load
	for at := from; at.Before(from.AddDate(0, 0, days)); at = at.Add(quarter) {
		local := at.In(location)
		out = append(out, release.Load{At: at, Requests: requests(local.Hour()*60 + local.Minute())})
	}
	return out
}

// trough is low from two to four in the morning.
func trough(minute int) float64 {
	if minute >= 120 && minute < 240 {
		return 10
	}
	return 100
}

// One of the last seven days is not whole, so it does not count.
func TestTheWindowOfARecordedCurve(t *testing.T) {
	for _, c := range []struct {
		name     string
		window   spec.Window
		from, to string
		evidence string
	}{
		{"two hours", measured("Europe/Berlin", nil), "03:30", "05:30", "22 % of the mean traffic, measured over 6 days"},
		{"the same on London's clock", measured("Europe/London", nil), "02:30", "04:30", "22 % of the mean traffic, measured over 6 days"},
		{"of the last day, on which no crawler came", measured("Europe/Berlin", func(m *spec.Measured) { m.Days = 1 }), "02:15", "04:15", "20 % of the mean traffic, measured over 1 day"},
		{"a quarter of an hour", measured("Europe/Berlin", func(m *spec.Measured) { m.Length = spec.Duration(quarter) }), "03:30", "03:45", ""},
		{"in the morning", measured("Europe/Berlin", func(m *spec.Measured) { m.After, m.Until = "05:00", "08:00" }), "05:00", "07:00", "30 % of the mean traffic, measured over 6 days"},
		{"over midnight", measured("Europe/Berlin", func(m *spec.Measured) { m.After, m.Until = "22:30", "02:00" }), "00:00", "02:00", ""},
		{"as long as its bounds", measured("Europe/Berlin", func(m *spec.Measured) { m.After, m.Until = "01:10", "03:10" }), "01:10", "03:10", ""},
	} {
		got, evidence, err := release.LowestStretch(c.window, recordedCurve(t), quarter)
		require.NoError(t, err, c.name)
		assert.Equal(t, spec.Window{From: c.from, To: c.to, TimeZone: c.window.TimeZone}, got, c.name)
		if c.evidence != "" {
			assert.Equal(t, c.evidence, evidence, c.name)
		}
		opens, err := release.NextWindow(&got, t0)
		require.NoError(t, err, "the answer is a window that can be waited for")
		require.False(t, opens.Before(t0))
	}
}

func TestCurvesWithoutAWindow(t *testing.T) {
	flat := func(int) float64 { return 50 }
	days := func(n int, of func(int) float64) []release.Load { return curveOf(t, t0, n, "UTC", of) }
	keep := func(curve []release.Load, kept func(release.Load) bool) []release.Load {
		var out []release.Load
		for _, l := range curve {
			if kept(l) {
				out = append(out, l)
			}
		}
		return out
	}
	for _, c := range []struct {
		name   string
		window spec.Window
		curve  []release.Load
		want   string
	}{
		{"flat", measured("UTC", nil), days(7, flat), "the lowest stretch of 2h, 00:00–02:00, has 100 % of the mean traffic, measured over 7 days; at most 80% is allowed"},
		{"not low enough where it may be", measured("UTC", func(m *spec.Measured) { m.After, m.Until = "10:00", "16:00" }), days(7, trough),
			"the lowest stretch of 2h, 10:00–12:00, has 108 % of the mean traffic, measured over 7 days; at most 80% is allowed"},
		{"nothing known", measured("UTC", nil), nil, "the router's counts show no whole day of the last 7"},
		{"half a day", measured("UTC", nil), days(1, trough)[:48], "the router's counts show no whole day of the last 7"},
		{"less than nine tenths of every day", measured("UTC", nil), keep(days(7, trough), func(l release.Load) bool { return l.At.Minute() != 15 }),
			"the router's counts show no whole day of the last 7"},
		{"a whole day, but too long ago", measured("UTC", nil), append(days(1, trough), release.Load{At: t0.AddDate(0, 0, 20)}),
			"the router's counts show no whole day of the last 7"},
		{"never counted where it may be", measured("UTC", func(m *spec.Measured) { m.After, m.Until = "02:00", "04:15" }),
			keep(days(7, trough), func(l release.Load) bool { return l.At.Hour() != 3 || l.At.Minute() > 0 }),
			"the router's counts have a gap in every stretch of 2h within 02:00–04:15"},
		{"no numbers", measured("UTC", nil), days(7, func(int) float64 { return math.NaN() }), "the router's counts show no whole day of the last 7"},
		{"negative numbers", measured("UTC", nil), days(7, func(int) float64 { return -1 }), "the router's counts show no whole day of the last 7"},
	} {
		_, evidence, err := release.LowestStretch(c.window, c.curve, quarter)
		require.ErrorIs(t, err, release.ErrNoLowStretch, c.name)
		require.EqualError(t, err, "no window of low traffic was found: "+c.want, c.name)
		require.Empty(t, evidence)
	}
}

func TestMeasuredWindowsThatCannotBe(t *testing.T) {
	curve := curveOf(t, t0, 7, "UTC", trough)
	for want, w := range map[string]spec.Window{
		"the window is not one that is measured":        {From: "01:00", To: "02:00"},
		`window's time zone "Mars/Olympus"`:             measured("Mars/Olympus", nil),
		`window's time "1am" is not HH:MM`:              measured("UTC", func(m *spec.Measured) { m.After = "1am" }),
		"a window of 2h does not fit into 01:00–02:30":  measured("UTC", func(m *spec.Measured) { m.After, m.Until = "01:00", "02:30" }),
		"a window of 24h does not fit into 00:00–23:59": measured("UTC", func(m *spec.Measured) { m.Length = spec.Duration(spec.Day) }),
	} {
		_, _, err := release.LowestStretch(w, curve, quarter)
		require.ErrorContains(t, err, want)
		require.NotErrorIs(t, err, release.ErrNoLowStretch)
	}
	for _, step := range []time.Duration{0, time.Second, 90 * time.Second, 2 * time.Hour} {
		_, _, err := release.LowestStretch(measured("UTC", nil), curve, step)
		require.ErrorContains(t, err, "they have to be whole minutes from 1m to 1h")
	}
}

func TestACurveWithoutRequestsHasAWindow(t *testing.T) {
	got, evidence, err := release.LowestStretch(measured("UTC", nil), curveOf(t, t0, 7, "UTC", func(int) float64 { return 0 }), quarter)
	require.NoError(t, err)
	assert.Equal(t, spec.Window{From: "00:00", To: "02:00", TimeZone: "UTC"}, got)
	assert.Equal(t, "0 % of the mean traffic, measured over 7 days", evidence)

	_, _, err = release.LowestStretch(measured("UTC", func(m *spec.Measured) { m.AtMost = 100 }), curveOf(t, t0, 7, "UTC", func(int) float64 { return 1.0 / 3 }), quarter)
	require.NoError(t, err, "a flat curve is as low as its mean, whatever rounding makes of it")
}

// People sleep by their clock: the trough stays where it is when the clock is changed, and
// in zones of any offset, whatever the steps of the counts are.
func TestTheClockOfTheZoneCounts(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "Pacific/Apia"} {
		for _, from := range []string{"2026-02-13T00:00:00Z", "2026-03-05T00:00:00Z", "2026-03-26T05:00:00Z", "2026-04-02T00:00:00Z", "2026-10-01T00:00:00Z", "2026-10-22T13:00:00Z", "2026-10-29T00:00:00Z"} {
			begin, err := time.Parse(time.RFC3339, from)
			require.NoError(t, err)
			got, _, err := release.LowestStretch(measured(zone, nil), curveOf(t, begin, 7, zone, trough), quarter)
			require.NoError(t, err)
			assert.Equal(t, "02:00–04:00", got.From+"–"+got.To, "%s from %s", zone, from)
		}
	}
	var hours []release.Load
	for at := t0.Truncate(time.Hour); at.Before(t0.AddDate(0, 0, 7)); at = at.Add(time.Hour) {
		hours = append(hours, release.Load{At: at, Requests: trough(at.Hour() * 60)})
	}
	got, _, err := release.LowestStretch(measured("UTC", nil), hours, time.Hour)
	require.NoError(t, err)
	assert.Equal(t, "02:00", got.From)
}

// Whatever the curve: the window is within its bounds and as long as asked for, no other
// place in the bounds is lower, and the order of the counts does not matter.
func TestNothingIsLowerThanTheLowestStretch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.IntRange(0, 1000), 96, 96).Draw(t, "values")
		curve := curveOf(t, t0, 3, "UTC", func(minute int) float64 { return float64(values[minute/15]) })
		length := rapid.IntRange(1, 48).Draw(t, "length")
		after := rapid.IntRange(0, 95).Draw(t, "after")
		room := rapid.IntRange(length, 95).Draw(t, "room")
		w := measured("UTC", func(m *spec.Measured) {
			m.Length, m.AtMost = spec.Duration(time.Duration(length)*quarter), 100
			m.After, m.Until = hhmm(after*15), hhmm((after+room)%96*15)
		})
		sum := func(start int) (total int) {
			for n := range length {
				total += values[(start+n)%96]
			}
			return total
		}
		best, mean := after, 0.0
		for start := after; start+length <= after+room; start++ {
			if sum(start) < sum(best) {
				best = start
			}
		}
		for _, v := range values {
			mean += float64(v) / 96
		}
		got, _, err := release.LowestStretch(w, rapid.Permutation(curve).Draw(t, "order"), quarter)
		if float64(sum(best)) > mean*float64(length)*(1+1e-6) {
			require.ErrorIs(t, err, release.ErrNoLowStretch)
			return
		}
		require.NoError(t, err)
		require.Equal(t, hhmm(best%96*15), got.From)
		require.Equal(t, hhmm((best+length)%96*15), got.To)
	})
}
