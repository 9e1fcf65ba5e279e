package release_test

import (
	"testing"
	"time"

	"github.com/robfig/cron/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func cronWindow(text, zone string, length time.Duration) *spec.Window {
	return &spec.Window{Cron: text, For: spec.Duration(length), TimeZone: zone}
}

func TestNextWindowByCron(t *testing.T) {
	const (
		berlin, newYork, lordHowe = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
		casablanca, kathmandu     = "Africa/Casablanca", "Asia/Kathmandu"
		apia, santiago            = "Pacific/Apia", "America/Santiago"
	)
	for _, c := range []struct {
		name, zone, cron string
		length           time.Duration
		now, want        string // want "" means now
	}{
		{"before it today", "UTC", "30 22 * * *", time.Hour, "2026-03-02T10:00:00Z", "2026-03-02T22:30:00Z"},
		{"at its first moment", "UTC", "30 22 * * *", time.Hour, "2026-03-02T22:30:00Z", ""},
		{"in it", "UTC", "30 22 * * *", time.Hour, "2026-03-02T23:29:59Z", ""},
		{"at its end it is over", "UTC", "30 22 * * *", time.Hour, "2026-03-02T23:30:00Z", "2026-03-03T22:30:00Z"},
		{"open since days", "UTC", "0 0 1 * *", 7 * 24 * time.Hour, "2026-03-07T23:59:00Z", ""},
		{"over after days", "UTC", "0 0 1 * *", 7 * 24 * time.Hour, "2026-03-08T00:00:00Z", "2026-04-01T00:00:00Z"},
		{"every quarter of an hour", "UTC", "*/15 * * * *", 5 * time.Minute, "2026-03-02T10:05:00Z", "2026-03-02T10:15:00Z"},
		{"one opens before the other closes", "UTC", "0 * * * *", 90 * time.Minute, "2026-03-02T10:59:00Z", ""},
		{"on weekdays", "UTC", "0 2 * * 1-5", time.Hour, "2026-03-06T10:00:00Z", "2026-03-09T02:00:00Z"},
		{"day of month or of week", "UTC", "0 2 13 * 5", time.Hour, "2026-03-02T10:00:00Z", "2026-03-06T02:00:00Z"},
		{"day of month only", "UTC", "0 2 13 * *", time.Hour, "2026-03-02T10:00:00Z", "2026-03-13T02:00:00Z"},
		{"next year", "UTC", "0 2 1 1 *", time.Hour, "2026-03-02T10:00:00Z", "2027-01-01T02:00:00Z"},
		{"a leap day, eight years on", "UTC", "0 2 29 2 *", time.Hour, "2096-03-01T00:00:00Z", "2104-02-29T02:00:00Z"},
		{"the zone's day, not UTC's", newYork, "0 22 * * 0", time.Hour, "2026-03-02T03:30:00Z", ""},

		{"Berlin in winter", berlin, "0 4 * * *", time.Hour, "2026-03-28T00:00:00Z", "2026-03-28T03:00:00Z"},
		{"Berlin in summer", berlin, "0 4 * * *", time.Hour, "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"},
		{"Berlin, opens in the skipped hour", berlin, "30 2 * * *", time.Hour, "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"},
		{"Berlin, open for its length after the jump", berlin, "30 2 * * *", time.Hour, "2026-03-29T01:59:00Z", ""},
		{"Berlin, and no longer", berlin, "30 2 * * *", time.Hour, "2026-03-29T02:00:00Z", "2026-03-30T00:30:00Z"},
		{"Berlin, the jump is in the window", berlin, "30 1 * * *", 2 * time.Hour, "2026-03-29T02:29:00Z", ""},
		{"Berlin, two hours are two hours in spring", berlin, "30 1 * * *", 2 * time.Hour, "2026-03-29T02:30:00Z", "2026-03-29T23:30:00Z"},
		{"Berlin, opens in the first of the repeated hours", berlin, "30 2 * * *", time.Hour, "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"},
		{"Berlin, does not open in the second", berlin, "30 2 * * *", time.Hour, "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"},
		{"Berlin, two hours are two hours in autumn", berlin, "30 2 * * *", 2 * time.Hour, "2026-10-25T02:29:00Z", ""},
		{"Berlin, hourly in the repeated hour", berlin, "0 * * * *", 10 * time.Minute, "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"},

		{"New York, opens in the skipped hour", newYork, "30 2 * * *", time.Hour, "2026-03-08T06:00:00Z", "2026-03-08T07:00:00Z"},
		{"New York, first of the repeated hours", newYork, "30 1 * * *", time.Hour, "2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z"},
		{"New York, not the second", newYork, "30 1 * * *", time.Hour, "2026-11-01T06:30:00Z", "2026-11-02T06:30:00Z"},

		{"Lord Howe skips half an hour", lordHowe, "15 2 * * *", time.Hour, "2026-10-03T15:00:00Z", "2026-10-03T15:30:00Z"},
		{"Lord Howe, just after the skipped half hour", lordHowe, "30 2 * * *", time.Hour, "2026-10-03T15:00:00Z", "2026-10-03T15:30:00Z"},
		{"Lord Howe repeats half an hour", lordHowe, "45 1 * * *", 20 * time.Minute, "2026-04-04T14:00:00Z", "2026-04-04T14:45:00Z"},
		{"Lord Howe, not the second half hour", lordHowe, "45 1 * * *", 20 * time.Minute, "2026-04-04T15:15:00Z", "2026-04-05T15:15:00Z"},

		{"Casablanca goes back for Ramadan", casablanca, "30 2 * * *", 20 * time.Minute, "2026-02-15T00:00:00Z", "2026-02-15T01:30:00Z"},
		{"Casablanca, not the second", casablanca, "30 2 * * *", 20 * time.Minute, "2026-02-15T02:30:00Z", "2026-02-16T02:30:00Z"},
		{"Casablanca goes forward after it", casablanca, "30 2 * * *", time.Hour, "2026-03-22T00:00:00Z", "2026-03-22T02:00:00Z"},

		{"Kathmandu has an odd offset", kathmandu, "0 2 * * *", time.Hour, "2026-03-02T10:00:00Z", "2026-03-02T20:15:00Z"},
		{"Apia is a day ahead", apia, "0 2 * * 1", time.Hour, "2026-03-01T10:00:00Z", "2026-03-01T13:00:00Z"},
		{"Apia had no 30 December 2011", apia, "0 2 30 12 *", time.Hour, "2011-12-29T00:00:00Z", "2012-12-29T12:00:00Z"},
		{"Santiago skips midnight", santiago, "0 0 * * 0", time.Hour, "2026-09-06T03:00:00Z", "2026-09-06T04:00:00Z"},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		require.NoError(t, err)
		got, err := release.NextWindow(cronWindow(c.cron, c.zone, c.length), now)
		require.NoError(t, err, c.name)
		want := c.want
		if want == "" {
			want = c.now
		}
		assert.Equal(t, want, got.UTC().Format(time.RFC3339), c.name)
	}
}

func TestCronWindowsThatCannotBe(t *testing.T) {
	for want, w := range map[string]*spec.Window{
		`window "0 2 31 2 *" never opens`:                         cronWindow("0 2 31 2 *", "UTC", time.Hour),
		`window's cron "0 2 * *": expected exactly 5 fields`:      cronWindow("0 2 * *", "UTC", time.Hour),
		`window's cron "@daily"`:                                  cronWindow("@daily", "UTC", time.Hour),
		`the time zone is said in timeZone`:                       cronWindow("TZ=UTC 0 2 * * *", "UTC", time.Hour),
		`"for" is missing: how long does the window stay open?`:   cronWindow("0 2 * * *", "UTC", 0),
		`window's time zone "Mars/Olympus"`:                       cronWindow("0 2 * * *", "Mars/Olympus", time.Hour),
		`the measured window has to be found in the request curv`: {Measured: &spec.Measured{}},
	} {
		_, err := release.NextWindow(w, t0)
		require.ErrorContains(t, err, want)
		_, err = release.WindowOpen(w, t0)
		require.ErrorContains(t, err, want)
	}
}

// wallStarts walks real time minute by minute with an eye on the clock: a window opens
// when the clock shows a time of the schedule that it has not shown before, or jumps over one.
func wallStarts(fields *cron.SpecSchedule, zone *time.Location, from, until time.Time) []time.Time {
	fits := func(wall time.Time) bool {
		dom, dow := fields.Dom&(1<<uint(wall.Day())) != 0, fields.Dow&(1<<uint(wall.Weekday())) != 0
		day := dom || dow
		if (fields.Dom|fields.Dow)>>63 != 0 {
			day = dom && dow
		}
		return day && fields.Month&(1<<uint(wall.Month())) != 0 && fields.Hour&(1<<uint(wall.Hour())) != 0 && fields.Minute&(1<<uint(wall.Minute())) != 0
	}
	wallOf := func(t time.Time) time.Time { // what the clock shows, as a time without a zone
		t = t.In(zone)
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	}
	var out []time.Time
	latest := wallOf(from.Add(-time.Minute))
	for t := from; t.Before(until); t = t.Add(time.Minute) {
		opens := false
		for wall := wallOf(t); latest.Before(wall); {
			latest = latest.Add(time.Minute)
			opens = opens || fits(latest)
		}
		if opens {
			out = append(out, t)
		}
	}
	return out
}

// Compared with a clock on the wall, minute by minute, close to changes of the clock: the
// answer is open and nothing before it is.
func TestCronWindowsAgreeWithTheClockOnTheWall(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Apia", "America/Santiago"}
	changes := []int{44, 45, 80, 66, 66, 86, 87, 93, 93, 248, 275, 296, 297, 303, 304, 180}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	rapid.Check(t, func(t *rapid.T) {
		minute := rapid.SampledFrom([]string{"0", "15", "30", "45", "*/20", "59"}).Draw(t, "minute")
		hour := rapid.SampledFrom([]string{"*", "0", "1", "2", "3", "23", "1-3", "*/6"}).Draw(t, "hour")
		days := rapid.SampledFrom([]string{"* * *", "* * 0", "* * 1-5", "*/2 * *", "5,29 * 0"}).Draw(t, "days")
		text := minute + " " + hour + " " + days
		length := time.Duration(rapid.IntRange(1, 200).Draw(t, "length")) * time.Minute
		w := cronWindow(text, rapid.SampledFrom(zones).Draw(t, "zone"), length)
		zone, err := time.LoadLocation(w.TimeZone)
		require.NoError(t, err)
		schedule, err := parser.Parse(text)
		require.NoError(t, err)

		day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.SampledFrom(changes).Draw(t, "day"))
		now := day.Add(time.Duration(rapid.IntRange(-120, 36*60).Draw(t, "minutes")) * time.Minute)
		want := time.Time{}
		for _, s := range wallStarts(schedule.(*cron.SpecSchedule), zone, now.Add(-length-3*time.Hour), now.Add(50*time.Hour)) {
			if s.Add(length).After(now) {
				want = s
				break
			}
		}
		if want.Before(now) && !want.IsZero() {
			want = now
		}
		got, err := release.NextWindow(w, now)
		require.NoError(t, err)
		if want.IsZero() {
			require.False(t, got.Before(now.Add(50*time.Hour)), "%q in %s at %s opened at %s", text, w.TimeZone, now, got)
			return
		}
		require.Equal(t, want, got, "%q in %s at %s", text, w.TimeZone, now.In(zone))
		open, err := release.WindowOpen(w, got)
		require.NoError(t, err)
		require.True(t, open)
		if got.After(now) {
			before := now.Add(time.Duration(rapid.Int64Range(0, int64(got.Sub(now))-1).Draw(t, "before")))
			open, err = release.WindowOpen(w, before)
			require.NoError(t, err)
			require.False(t, open, "nothing before the answer is open")
		}
	})
}
