package release

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/switchyard/switchyard/release/spec"
)

// cronWindow opens at the times of a cron schedule and stays open for a length of real time.
//
// Only the reading of the five fields is the library's. Its Next walks over real time and
// compares what the clock shows, so it leaves out a start that the clock skips and gives a
// start twice that the clock shows twice. Neither is what a window should do, so starts
// are found here: date by date, each time of day of the schedule by the moment at which the
// clock first shows it or jumps over it.
type cronWindow struct {
	text   string
	fields cron.SpecSchedule
	length time.Duration
}

// fiveFields are those of crontab(5): minute, hour, day of month, month, day of week.
const fiveFields = cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow

func newCronWindow(w *spec.Window) (cronWindow, error) {
	schedule, err := cron.NewParser(fiveFields).Parse(w.Cron)
	if err != nil {
		return cronWindow{}, fmt.Errorf("window's cron %q: %w", w.Cron, err)
	}
	fields, ok := schedule.(*cron.SpecSchedule)
	if !ok || strings.Contains(w.Cron, "=") {
		return cronWindow{}, fmt.Errorf("window's cron %q is not five fields; the time zone is said in timeZone", w.Cron)
	}
	if w.For <= 0 {
		return cronWindow{}, fmt.Errorf(`window's cron %q: "for" is missing: how long does the window stay open?`, w.Cron)
	}
	return cronWindow{text: w.Cron, fields: *fields, length: w.For.Std()}, nil
}

func (w cronWindow) String() string { return fmt.Sprintf("%q", w.text) }

func (w cronWindow) longest() time.Duration { return w.length }

// The rarest date is the 29th of February, eight years apart around 2100.
func (w cronWindow) rarest() int { return 9 * 366 }

func (w cronWindow) opens(noon time.Time) []span {
	if !has(w.fields.Month, int(noon.Month())) || !w.onDay(noon) {
		return nil
	}
	var out []span
	for hour := range 24 {
		if !has(w.fields.Hour, hour) {
			continue
		}
		for minute := range 60 {
			if has(w.fields.Minute, minute) {
				open := at(noon, hour*60+minute)
				out = append(out, span{open: open, close: open.Add(w.length)})
			}
		}
	}
	return out
}

// onDay is crontab's rule: when both day of month and day of week are restricted, either
// one suffices. A field that is a star restricts nothing.
func (w cronWindow) onDay(noon time.Time) bool {
	const star = 63
	dom, dow := has(w.fields.Dom, noon.Day()), has(w.fields.Dow, int(noon.Weekday()))
	if has(w.fields.Dom, star) || has(w.fields.Dow, star) {
		return dom && dow
	}
	return dom || dow
}

func has(bits uint64, n int) bool { return bits&(1<<uint(n)) != 0 }
