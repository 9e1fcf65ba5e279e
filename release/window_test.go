package release_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func TestNextWindow(t *testing.T) {
	const berlin, newYork, santiago = "Europe/Berlin", "America/New_York", "America/Santiago"
	for _, c := range []struct {
		name, zone, from, to string
		days                 []string
		now, want            string // want "" means now
	}{
		{"before it today", "UTC", "22:00", "23:00", nil, "2026-03-02T10:00:00Z", "2026-03-02T22:00:00Z"},
		{"at its first moment", "UTC", "22:00", "23:00", nil, "2026-03-02T22:00:00Z", ""},
		{"in it", "UTC", "22:00", "23:00", nil, "2026-03-02T22:59:59Z", ""},
		{"at its end it is over", "UTC", "22:00", "23:00", nil, "2026-03-02T23:00:00Z", "2026-03-03T22:00:00Z"},
		{"over midnight, before", "UTC", "23:00", "03:00", nil, "2026-03-02T10:00:00Z", "2026-03-02T23:00:00Z"},
		{"over midnight, after midnight", "UTC", "23:00", "03:00", nil, "2026-03-03T02:59:00Z", ""},
		{"over midnight, over", "UTC", "23:00", "03:00", nil, "2026-03-03T03:00:00Z", "2026-03-03T23:00:00Z"},
		{"until midnight", "UTC", "20:00", "00:00", nil, "2026-03-02T23:59:59Z", ""},
		{"all day", "UTC", "04:00", "04:00", nil, "2026-03-02T03:59:00Z", ""},
		{"later this week", "UTC", "02:00", "04:00", []string{"sat"}, "2026-03-02T10:00:00Z", "2026-03-07T02:00:00Z"},
		{"over for this week", "UTC", "02:00", "04:00", []string{"mon"}, "2026-03-02T10:00:00Z", "2026-03-09T02:00:00Z"},
		{"the day is the day it opens", "UTC", "23:00", "03:00", []string{"sun"}, "2026-03-02T01:00:00Z", ""},
		{"not the day it closes", "UTC", "23:00", "03:00", []string{"mon"}, "2026-03-02T01:00:00Z", "2026-03-02T23:00:00Z"},
		{"several days", "UTC", "02:00", "04:00", []string{"tue", "thu"}, "2026-03-03T05:00:00Z", "2026-03-05T02:00:00Z"},
		{"the zone's day, not UTC's", newYork, "22:00", "23:00", []string{"sun"}, "2026-03-02T03:30:00Z", ""},
		{"over the year's end", "UTC", "01:00", "02:00", nil, "2026-12-31T10:00:00Z", "2027-01-01T01:00:00Z"},
		{"a leap day", "UTC", "01:00", "02:00", nil, "2028-02-28T10:00:00Z", "2028-02-29T01:00:00Z"},

		{"Berlin in winter", berlin, "04:00", "05:00", nil, "2026-03-28T00:00:00Z", "2026-03-28T03:00:00Z"},
		{"Berlin in summer", berlin, "04:00", "05:00", nil, "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"},
		{"Berlin, opens in the skipped hour", berlin, "02:30", "04:00", nil, "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"},
		{"Berlin, closes in the skipped hour", berlin, "01:00", "02:30", nil, "2026-03-29T00:59:00Z", ""},
		{"Berlin, closed by the jump", berlin, "01:00", "02:30", nil, "2026-03-29T01:00:00Z", "2026-03-29T23:00:00Z"},
		{"Berlin, skipped altogether", berlin, "02:10", "02:50", nil, "2026-03-29T00:00:00Z", "2026-03-30T00:10:00Z"},
		{"Berlin, skipped for the week", berlin, "02:10", "02:50", []string{"sun"}, "2026-03-29T00:00:00Z", "2026-04-05T00:10:00Z"},
		{"Berlin, skipped for the week, asked a week before", berlin, "02:10", "02:50", []string{"sun"}, "2026-03-22T02:00:00Z", "2026-04-05T00:10:00Z"},
		{"Berlin, opens in the first of the repeated hours", berlin, "02:30", "04:00", nil, "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"},
		{"Berlin, still open in the second", berlin, "02:30", "04:00", nil, "2026-10-25T01:10:00Z", ""},
		{"Berlin, closes in the first", berlin, "01:30", "02:30", nil, "2026-10-25T00:30:00Z", "2026-10-26T00:30:00Z"},
		{"Berlin, over midnight and back an hour", berlin, "22:00", "03:30", nil, "2026-10-25T02:29:00Z", ""},

		{"New York, opens in the skipped hour", newYork, "02:30", "04:00", nil, "2026-03-08T06:00:00Z", "2026-03-08T07:00:00Z"},
		{"New York, skipped altogether", newYork, "02:00", "03:00", nil, "2026-03-08T06:00:00Z", "2026-03-09T06:00:00Z"},
		{"New York, closes in the skipped hour", newYork, "01:00", "02:30", nil, "2026-03-08T06:59:00Z", ""},
		{"New York, closed by the jump", newYork, "01:00", "02:30", nil, "2026-03-08T07:00:00Z", "2026-03-09T05:00:00Z"},
		{"New York, first of the repeated hours", newYork, "01:30", "03:00", nil, "2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z"},
		{"New York, in the second", newYork, "01:30", "03:00", nil, "2026-11-01T06:10:00Z", ""},
		{"New York, after", newYork, "01:30", "03:00", nil, "2026-11-01T08:00:00Z", "2026-11-02T06:30:00Z"},

		{"Santiago, midnight is skipped", santiago, "00:00", "02:00", []string{"sun"}, "2026-09-06T03:00:00Z", "2026-09-06T04:00:00Z"},
	} {
		w := &spec.Window{From: c.from, To: c.to, Days: c.days, TimeZone: c.zone}
		now, err := time.Parse(time.RFC3339, c.now)
		require.NoError(t, err)
		got, err := release.NextWindow(w, now)
		require.NoError(t, err, c.name)
		want := c.want
		if want == "" {
			want = c.now
		}
		assert.Equal(t, want, got.UTC().Format(time.RFC3339), c.name)
	}
}

func TestNoWindowIsAlwaysOpen(t *testing.T) {
	got, err := release.NextWindow(nil, t0)
	require.NoError(t, err)
	assert.Equal(t, t0, got)
}

func TestWindowsThatCannotBe(t *testing.T) {
	for want, w := range map[string]spec.Window{
		`window's time zone "Mars/Olympus"`:          {From: "01:00", To: "02:00", TimeZone: "Mars/Olympus"},
		`window's time "1am" is not HH:MM`:           {From: "1am", To: "02:00"},
		`window's time "25:00" is not HH:MM`:         {From: "01:00", To: "25:00"},
		`window 01:00–02:00 never opens`:             {From: "01:00", To: "02:00", Days: []string{"someday"}},
		`window's time "" is not HH:MM`:              {},
		`window's time "01:00:00" is not HH:MM`:      {From: "01:00:00", To: "02:00"},
		`window's time zone "../../etc/localtime": `: {From: "01:00", To: "02:00", TimeZone: "../../etc/localtime"},
	} {
		_, err := release.NextWindow(&w, t0)
		assert.ErrorContains(t, err, want)
	}
}

// Compared with a clock on the wall, quarter of an hour by quarter of an hour: the
// answer is in the window, no earlier moment is (but in an hour shown twice), and
// who asks again at the answer is told "now".
func TestNextWindowAgreesWithTheClockOnTheWall(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"}
	rapid.Check(t, func(t *rapid.T) {
		quarter := rapid.IntRange(0, 95)
		from, to := quarter.Draw(t, "from")*15, quarter.Draw(t, "to")*15
		w := &spec.Window{From: hhmm(from), To: hhmm(to), TimeZone: rapid.SampledFrom(zones).Draw(t, "zone")}
		zone, err := time.LoadLocation(w.TimeZone)
		require.NoError(t, err)
		// Half of the draws lie close to a change of the clock.
		base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		day := rapid.OneOf(rapid.IntRange(0, 364), rapid.SampledFrom([]int{65, 66, 86, 87, 88, 93, 94, 296, 297, 298, 276, 303, 304})).Draw(t, "day")
		now := base.AddDate(0, 0, day).Add(time.Duration(quarter.Draw(t, "quarter")) * 15 * time.Minute)

		got, err := release.NextWindow(w, now)
		require.NoError(t, err)
		require.False(t, got.Before(now))
		require.True(t, shows(got.In(zone), from, to), "%s at %s", w, got.In(zone))
		again, err := release.NextWindow(w, got)
		require.NoError(t, err)
		require.Equal(t, got, again)
		for at := now; at.Before(got); at = at.Add(15 * time.Minute) {
			if local := at.In(zone); shows(local, from, to) {
				require.True(t, nearAChange(local), "the window %s was open at %s, the answer is %s", w, local, got.In(zone))
			}
		}
	})
}

func hhmm(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }

func shows(local time.Time, from, to int) bool {
	m := local.Hour()*60 + local.Minute()
	if from < to {
		return from <= m && m < to
	}
	return m >= from || m < to
}

// nearAChange says whether the clock was set back within the hour before.
func nearAChange(local time.Time) bool {
	_, now := local.Zone()
	_, before := local.Add(-time.Hour).Zone()
	return now < before
}
