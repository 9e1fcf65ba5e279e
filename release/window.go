package release

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/switchyard/switchyard/release/spec"
)

// NextWindow is when the decommission may begin: now when the window is open (or
// there is none), else the next time it opens. Times are read on the window's own
// clock, so daylight saving moves them as people expect: a start that the clock skips
// is the moment it jumps, and a start that it shows twice is the first of the two.
//
// A window from one time to another closes when the clock first shows the other one;
// one that falls into the skipped hour altogether does not open that day. A window
// given by cron stays open for its length of real time, whatever the clock does.
//
// It fails when the window never opens, when its zone is not known, and on a measured
// window, which LowestStretch has to turn into one with times first. The rules of time
// zones are data of the machine: a workflow keeps the answer in its history.
func NextWindow(w *spec.Window, now time.Time) (time.Time, error) {
	if w == nil {
		return now, nil
	}
	zone, err := time.LoadLocation(w.TimeZone)
	if err != nil {
		return time.Time{}, fmt.Errorf("window's time zone %q: %w", w.TimeZone, err)
	}
	p, err := patternOf(w)
	if err != nil {
		return time.Time{}, err
	}
	// A window that opened before now may still be open.
	local := now.Add(-p.longest()).In(zone)
	first := civil(local.Year(), local.Month(), local.Day()-1)
	days := int(now.Sub(local)/spec.Day) + p.rarest()
	for n := range days {
		for _, s := range p.opens(noonOf(first.AddDate(0, 0, n), zone)) {
			switch {
			case !now.Before(s.open) && now.Before(s.close):
				return now, nil
			case now.Before(s.open):
				return s.open.In(now.Location()), nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("window %s never opens", p)
}

// WindowOpen says whether the decommission may begin at this moment.
func WindowOpen(w *spec.Window, at time.Time) (bool, error) {
	next, err := NextWindow(w, at)
	return err == nil && next.Equal(at), err
}

// pattern is one way of giving a window.
type pattern interface {
	fmt.Stringer
	opens(noon time.Time) []span // the windows that open on the local day of noon, earliest first
	longest() time.Duration      // no window is open for longer
	rarest() int                 // days within which a window that ever opens has opened
}

// span is one opening: open is part of it, close is not.
type span struct{ open, close time.Time }

func patternOf(w *spec.Window) (pattern, error) {
	switch {
	case w.Measured != nil:
		return nil, errors.New("the measured window has to be found in the request curve before it can be waited for")
	case w.Cron != "":
		return newCronWindow(w)
	}
	from, err := clock(w.From)
	if err != nil {
		return nil, err
	}
	to, err := clock(w.To)
	return dailyWindow{from: from, to: to, days: w.Days}, err
}

// dailyWindow opens at one time of day and closes at another, both in minutes after midnight.
type dailyWindow struct {
	from, to int
	days     []string
}

func (w dailyWindow) String() string {
	return fmt.Sprintf("%s–%s", clockText(w.from), clockText(w.to))
}

// At the end of summer time a window has an hour more, in some zones and years more than that.
func (w dailyWindow) longest() time.Duration { return 2 * spec.Day }

// A window on one day of the week that falls into a skipped hour opens a week later.
func (w dailyWindow) rarest() int { return 17 }

func (w dailyWindow) opens(noon time.Time) []span {
	if len(w.days) > 0 && !slices.Contains(w.days, strings.ToLower(noon.Weekday().String()[:3])) {
		return nil
	}
	s := span{open: at(noon, w.from), close: at(noon, w.to)}
	if w.to <= w.from {
		s.close = at(noon.AddDate(0, 0, 1), w.to)
	}
	if !s.open.Before(s.close) {
		return nil
	}
	return []span{s}
}

// civil is a date without a zone.
func civil(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// noonOf is noon of the date in the zone, which is never skipped. For a date that the
// zone does not have, because it changed sides of the date line, it is noon of the next
// one or the one before, which is looked at twice then.
func noonOf(date time.Time, zone *time.Location) time.Time {
	return time.Date(date.Year(), date.Month(), date.Day(), 12, 0, 0, 0, zone)
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

// clock reads "HH:MM" as minutes after midnight.
func clock(text string) (int, error) {
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("window's time %q is not HH:MM: %w", text, err)
	}
	return t.Hour()*60 + t.Minute(), nil
}

// clockText is a time of day as clock reads it.
func clockText(minutes int) string {
	return fmt.Sprintf("%02d:%02d", minutes/60%24, minutes%60)
}
