package release

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/switchyard/switchyard/release/spec"
)

// NextWindow is when the decommission may begin: now when the window is open (or
// there is none), else the next time it opens. Times are read on the window's own
// clock, so daylight saving moves them as people expect: a time that the clock skips
// is the moment it jumps, a time that it shows twice is the first of the two, and a
// window that falls into the skipped hour altogether does not open that day.
func NextWindow(w *spec.Window, now time.Time) (time.Time, error) {
	if w == nil {
		return now, nil
	}
	zone, err := time.LoadLocation(w.TimeZone)
	if err != nil {
		return time.Time{}, fmt.Errorf("window's time zone %q: %w", w.TimeZone, err)
	}
	from, err := clock(w.From)
	if err != nil {
		return time.Time{}, err
	}
	to, err := clock(w.To)
	if err != nil {
		return time.Time{}, err
	}
	local := now.In(zone)
	for day := -1; day <= 15; day++ { // yesterday's window may still be open; next week's may be skipped
		date := time.Date(local.Year(), local.Month(), local.Day()+day, 12, 0, 0, 0, zone) // noon is never skipped
		if !opensOn(w, date.Weekday()) {
			continue
		}
		open := at(date, from)
		end := at(date, to)
		if to <= from {
			end = at(date.AddDate(0, 0, 1), to)
		}
		switch {
		case !open.Before(end):
			continue
		case !now.Before(open) && now.Before(end):
			return now, nil
		case now.Before(open):
			return open.In(now.Location()), nil
		}
	}
	return time.Time{}, fmt.Errorf("window %s–%s opens on no day", w.From, w.To)
}

// at is the moment on the date at which the clock first shows the time, or jumps over it.
func at(date time.Time, minutes int) time.Time {
	t := time.Date(date.Year(), date.Month(), date.Day(), minutes/60, minutes%60, 0, 0, date.Location())
	start, end := t.ZoneBounds()
	if t.Hour()*60+t.Minute() != minutes { // skipped: t is off to one side of the jump
		if end.IsZero() || !start.IsZero() && t.Sub(start) < end.Sub(t) {
			return start
		}
		return end
	}
	if start.IsZero() {
		return t
	}
	// Straight after the clock was set back it shows again what it showed before.
	_, offset := t.Zone()
	_, offsetBefore := start.Add(-time.Nanosecond).Zone()
	if first := t.Add(time.Duration(offset-offsetBefore) * time.Second); first.Before(start) && first.Before(t) {
		return first
	}
	return t
}

func opensOn(w *spec.Window, d time.Weekday) bool {
	return len(w.Days) == 0 || slices.Contains(w.Days, strings.ToLower(d.String()[:3]))
}

// clock reads "HH:MM" as minutes after midnight.
func clock(text string) (int, error) {
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("window's time %q is not HH:MM: %w", text, err)
	}
	return t.Hour()*60 + t.Minute(), nil
}
