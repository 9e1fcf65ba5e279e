package release

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/switchyard/switchyard/release/spec"
)

// ErrNoLowStretch is the error of a request curve in which no window can be found: too
// little of it is known, or its lowest stretch is not low enough. A person decides then.
var ErrNoLowStretch = errors.New("no window of low traffic was found")

const (
	dayMinutes   = 24 * 60
	windowRaster = 15 // minutes between two places a window may be put
)

// LowestStretch finds the stretch of the day with the least traffic in a request curve,
// and makes it a window that opens every day, on the clock of the measured window's zone.
// It says in words how low the stretch is.
//
// The curve is what the router counted in steps that begin at Load.At; times that are not
// known are left out of it. Days are counted back from the end of the curve, 24 hours each
// and Measured.Days at the most; one of which less than nine tenths are known does not count.
// Values are averaged by time of day over the days that count. A stretch with a time of
// day in it that is not known on any of them is not chosen. The traffic of the stretch is
// compared with the mean of the day.
//
// It fails with ErrNoLowStretch when no whole day is known, or when the lowest stretch
// within Measured.After and Until has more than AtMost of the mean. A curve without any
// request has a window: its share is 0.
func LowestStretch(w spec.Window, curve []Load, step time.Duration) (spec.Window, string, error) {
	fail := func(format string, args ...any) (spec.Window, string, error) {
		return spec.Window{}, "", fmt.Errorf(format, args...)
	}
	if w.Measured == nil {
		return fail("the window is not one that is measured")
	}
	m := *w.Measured
	location, err := time.LoadLocation(w.TimeZone)
	if err != nil {
		return fail("window's time zone %q: %w", w.TimeZone, err)
	}
	after, room, err := bounds(m)
	if err != nil {
		return spec.Window{}, "", err
	}
	if step < time.Minute || step > time.Hour || step%time.Minute != 0 {
		return fail("the request curve has steps of %s; they have to be whole minutes from 1m to 1h", step)
	}
	within := clockText(after) + "–" + clockText(after+room)
	length := int(m.Length.Std() / time.Minute)
	if length < 1 || length >= dayMinutes || length > room {
		return fail("a window of %s does not fit into %s", m.Length, within)
	}
	day := dayOf(curve, step, location, m.Days)
	if day.days == 0 {
		return fail("%w: the router's counts show no whole day of the last %d", ErrNoLowStretch, m.Days)
	}
	start, sum, found := day.lowest(after, room, length)
	if !found {
		return fail("%w: the router's counts have a gap in every stretch of %s within %s", ErrNoLowStretch, m.Length, within)
	}
	share := 0.0
	if mean := day.mean(); mean > 0 {
		share = sum / float64(length) / mean
	}
	out := spec.Window{From: clockText(start), To: clockText(start + length), TimeZone: w.TimeZone}
	evidence := fmt.Sprintf("%.0f %% of the mean traffic, measured over %d days", share*100, day.days)
	if day.days == 1 {
		evidence = fmt.Sprintf("%.0f %% of the mean traffic, measured over 1 day", share*100)
	}
	if share > m.AtMost.Fraction()+tiny {
		return fail("%w: the lowest stretch of %s, %s–%s, has %s; at most %s is allowed", ErrNoLowStretch, m.Length, out.From, out.To, evidence, m.AtMost)
	}
	return out, evidence, nil
}

// tiny is what rounding makes of equal shares.
const tiny = 1e-9

// bounds are the first minute of the day in which the window may be, and for how many
// minutes from there on.
func bounds(m spec.Measured) (after, room int, err error) {
	if m.After != "" {
		if after, err = clock(m.After); err != nil {
			return 0, 0, err
		}
	}
	until := after
	if m.Until != "" {
		if until, err = clock(m.Until); err != nil {
			return 0, 0, err
		}
	}
	if room = until - after; room <= 0 {
		room += dayMinutes
	}
	if m.After == "" && m.Until == "" {
		room = 2*dayMinutes - 1 // over midnight too
	}
	return after, room, nil
}

// profile is the mean traffic of every minute of a day, on the clock of a zone.
type profile struct {
	means [dayMinutes]float64
	known [dayMinutes]bool
	days  int
}

// dayOf averages the days of the curve. Every value counts evenly in the minutes of its
// step, so steps of any length and zones of any offset fall on the right minutes.
func dayOf(curve []Load, step time.Duration, location *time.Location, days int) profile {
	curve = slices.DeleteFunc(slices.Clone(curve), func(l Load) bool {
		return math.IsNaN(l.Requests) || math.IsInf(l.Requests, 0) || l.Requests < 0 // no number of requests
	})
	slices.SortStableFunc(curve, func(a, b Load) int { return a.At.Compare(b.At) })
	curve = slices.CompactFunc(curve, func(a, b Load) bool { return a.At.Equal(b.At) })

	var p profile
	var sums [dayMinutes]float64
	var counts [dayMinutes]int
	if len(curve) == 0 {
		return p
	}
	end := curve[len(curve)-1].At.Add(step)
	for n := range days {
		begin := end.Add(-time.Duration(n+1) * spec.Day)
		first, _ := slices.BinarySearchFunc(curve, begin, func(l Load, t time.Time) int { return l.At.Compare(t) })
		if day := curve[first:]; float64(len(day))*float64(step) >= wholeDay*float64(spec.Day) {
			p.days++
			addDay(&sums, &counts, day, step, location)
		}
		curve = curve[:first]
	}
	for i, n := range counts {
		if n > 0 {
			p.means[i], p.known[i] = sums[i]/float64(n), true
		}
	}
	return p
}

// wholeDay is the part of a day that has to be known for it to count.
const wholeDay = 0.9

func addDay(sums *[dayMinutes]float64, counts *[dayMinutes]int, day []Load, step time.Duration, location *time.Location) {
	minutes := int(step / time.Minute)
	for _, l := range day {
		for n := range minutes {
			t := l.At.Add(time.Duration(n) * time.Minute).In(location)
			i := t.Hour()*60 + t.Minute()
			sums[i] += l.Requests / float64(minutes)
			counts[i]++
		}
	}
}

// mean is the mean of the minutes that are known.
func (p profile) mean() float64 {
	sum, n := 0.0, 0
	for i, known := range p.known {
		if known {
			sum, n = sum+p.means[i], n+1
		}
	}
	return sum / float64(max(1, n))
}

// lowest is the first minute of the stretch with the smallest sum, and the sum. Of equal
// ones the first is taken.
func (p profile) lowest(after, room, length int) (start int, sum float64, found bool) {
	for offset := 0; offset+length <= room && offset < dayMinutes; offset += windowRaster {
		total, known := p.stretch(after+offset, length)
		if known && (!found || total < sum*(1-tiny)) {
			start, sum, found = (after+offset)%dayMinutes, total, true
		}
	}
	return start, sum, found
}

func (p profile) stretch(start, length int) (sum float64, known bool) {
	for n := range length {
		i := (start + n) % dayMinutes
		if !p.known[i] {
			return 0, false
		}
		sum += p.means[i]
	}
	return sum, true
}
