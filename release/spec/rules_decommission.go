package spec

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

const windowPath = "decommission.window"

// windowRule refuses a window that is given in no way or in several, and one that is
// never open.
func windowRule(c *checker, s Spec) {
	w := s.Decommission.Window
	if w == nil || c.bad.at[windowPath] {
		return
	}
	clock, cronned := w.From != "" || w.To != "", w.Cron != "" || w.For != 0
	var ways []string
	for _, way := range []struct {
		name  string
		given bool
	}{{"from and to", clock}, {"cron with for", cronned}, {"measured", w.Measured != nil}} {
		if way.given {
			ways = append(ways, way.name)
		}
	}
	const allowed = "exactly one way: from and to, cron with for, or measured"
	switch {
	case !c.sound(windowPath+".from", windowPath+".to", windowPath+".cron", windowPath+".for", windowPath+".measured"):
	case len(ways) == 0:
		c.report(windowPath, allowed, "it is not said at which time the window opens")
	case len(ways) > 1:
		c.report(windowPath, allowed, "the window is given in %d ways, which contradict each other: %s", len(ways), strings.Join(ways, "; "))
	case clock:
		c.clockWindow(*w)
	case cronned:
		c.cronWindow(*w)
	default:
		c.measuredWindow(*w.Measured)
	}
	if len(w.Days) > 0 && !clock && len(ways) == 1 && c.sound(windowPath+".days") {
		c.report(windowPath+".days", "days together with from and to", "the days would not be used; a window that is measured or in cron's form has its own")
	}
}

func (c *checker) clockWindow(w Window) {
	switch {
	case w.From == "":
		c.report(windowPath+".to", "from together with to", "the field from is missing; it is not said when the window opens")
	case w.To == "":
		c.report(windowPath+".from", "from together with to", "the field to is missing; it is not said when the window closes")
	case w.From == w.To:
		c.report(windowPath+".to", "another time than from", "the window closes at %s, when it opens; it is never open", w.To)
	}
}

func (c *checker) cronWindow(w Window) {
	switch {
	case w.Cron == "":
		c.report(windowPath+".for", "cron together with for", "the field cron is missing; it is not said when the window opens")
	case w.For == 0:
		c.report(windowPath+".cron", "cron together with for", "the field for is missing; it is not said how long the window stays open")
	case neverFires(w.Cron):
		c.report(windowPath+".cron", "fields that fit a date", "no date fits %s; the window never opens", quote(w.Cron))
	}
}

// neverFires says that no date fits the fields, as none is the 31st of February. The
// parser looks five years ahead, so it meets a leap year.
func neverFires(fields string) bool {
	schedule, err := cron.ParseStandard(fields)
	return err == nil && schedule.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero()
}

func (c *checker) measuredWindow(m Measured) {
	const path = windowPath + ".measured"
	switch {
	case m.After == "" && m.Until == "":
	case m.After == "":
		c.report(path+".until", "both of after and until, or none", "the field after is missing")
	case m.Until == "":
		c.report(path+".after", "both of after and until, or none", "the field until is missing")
	default:
		if room := timeFrom(m.After, m.Until); m.Length > room {
			c.report(path, fmt.Sprintf("a length of at most the %s from after to until", room), "a window of %s%s does not fit between %s and %s",
				m.Length, c.source(path+".length", reflect.ValueOf(m.Length)), m.After, m.Until)
		}
	}
}

// timeFrom is the time from one time of day to the next other one; none when they are the same.
func timeFrom(from, to string) Duration {
	minute := func(clock string) int {
		t, _ := time.Parse("15:04", clock) // the form is checked before
		return t.Hour()*60 + t.Minute()
	}
	return Duration((minute(to)-minute(from)+24*60)%(24*60)) * Duration(time.Minute)
}
