package cloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/switchyard/switchyard/release"
)

const (
	keptDays  = 16              // of load, today included
	logDelay  = 2 * time.Second // a request is in the access log that soon after it ended
	dayFormat = "2006-01-02"
)

// history keeps the requests of each target by the minute: a file per region and day
// (UTC). A minute that is not in it is not known in full; one without requests is 0.
type history struct {
	dir   string
	days  map[string]map[string]map[int]float64 // day → target → minute of the day → requests
	dirty map[string]bool
}

func openHistory(dir string) (*history, error) {
	h := &history{dir: dir, days: map[string]map[string]map[int]float64{}, dirty: map[string]bool{}}
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		day := map[string]map[int]float64{}
		if err == nil {
			err = json.Unmarshal(b, &day)
		}
		if err != nil {
			return nil, fmt.Errorf("read the load of a day: %w (remove %s to forget it)", err, path)
		}
		h.days[strings.TrimSuffix(filepath.Base(path), ".json")] = day
	}
	return h, nil
}

// minuteOf numbers the minutes since 1970.
func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

func (h *history) place(minute int64) (day string, n int) {
	at := time.Unix(minute*60, 0).UTC()
	return at.Format(dayFormat), at.Hour()*60 + at.Minute()
}

func (h *history) get(target string, minute int64) (float64, bool) {
	day, n := h.place(minute)
	v, known := h.days[day][target][n]
	return v, known
}

func (h *history) set(target string, minute int64, requests float64) {
	day, n := h.place(minute)
	if h.days[day] == nil {
		h.days[day] = map[string]map[int]float64{}
	}
	if h.days[day][target] == nil {
		h.days[day][target] = map[int]float64{}
	}
	h.days[day][target][n] = requests
	h.dirty[day] = true
}

// save writes the days that changed and drops those that are too old.
func (h *history) save(now time.Time) error {
	oldest := now.UTC().AddDate(0, 0, 1-keptDays).Format(dayFormat)
	for day := range h.days {
		path := filepath.Join(h.dir, day+".json")
		if day < oldest {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("forget the load of %s: %w", day, err)
			}
			delete(h.days, day)
			delete(h.dirty, day)
		}
		if !h.dirty[day] {
			continue
		}
		b, err := json.Marshal(h.days[day])
		if err == nil {
			err = errors.Join(os.MkdirAll(h.dir, 0o755), writeFile(path, b))
		}
		if err != nil {
			return fmt.Errorf("keep the load of %s: %w", day, err)
		}
		delete(h.dirty, day)
	}
	return nil
}

// span is a stretch of time in steps of whole minutes.
type span struct {
	since, until time.Time
	step         int64 // minutes
}

func parseSpan(since, until, step string) (span, error) {
	var s span
	var errs [3]error
	s.since, errs[0] = time.Parse(time.RFC3339Nano, since)
	s.until, errs[1] = time.Parse(time.RFC3339Nano, until)
	d, err := time.ParseDuration(step)
	errs[2] = err
	if err == nil {
		s.step, errs[2] = wholeMinutes(d)
	}
	return s, errors.Join(errs[:]...)
}

func wholeMinutes(d time.Duration) (int64, error) {
	if d < time.Minute || d%time.Minute != 0 {
		return 0, fmt.Errorf("step %s: the local platform counts by the minute, a step is one or more whole minutes", d)
	}
	return int64(d / time.Minute), nil
}

// read sums up the steps between since and until that are known in full, oldest first.
func (h *history) read(target string, s span, now time.Time) []release.Load {
	out := []release.Load{}
	first := max(minuteOf(s.since.Add(time.Minute-1)), minuteOf(now)-keptDays*24*60)
	end := min(minuteOf(s.until), minuteOf(now))
	for at := (first + s.step - 1) / s.step * s.step; at+s.step <= end; at += s.step {
		sum, known := 0.0, true
		for m := at; m < at+s.step && known; m++ {
			var v float64
			v, known = h.get(target, m)
			sum += v
		}
		if known {
			out = append(out, release.Load{At: time.Unix(at*60, 0).UTC(), Requests: sum})
		}
	}
	return out
}

// load reads the requests that the target got in a region.
func (c *Cloud) load(regionName string, t release.Target, s span) []release.Load {
	_, p := c.route(regionName, t)
	if p == nil {
		return []release.Load{}
	}
	p.counter.mu.Lock()
	defer p.counter.mu.Unlock()
	return p.counter.history.read(t.String(), s, time.Now())
}
