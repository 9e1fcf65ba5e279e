package spec

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time written with units: "24h", "90s", "1h30m", "2d".
// It is never negative. In JSON and YAML it is its canonical text.
type Duration time.Duration

// Day is the length of the unit "d". Days are always 24 hours long.
const Day = 24 * time.Hour

// Std is the same length of time for the standard library.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String is the canonical text: hours, minutes, seconds and smaller units without
// zero parts, "0s" for none. It parses back to the same value.
func (d Duration) String() string {
	if d == 0 {
		return "0s"
	}
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText is String; it never fails.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDuration.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = v
	return nil
}

// MaxDuration is the longest duration a text can express: a hundred years.
const MaxDuration = Duration(100 * 365 * Day)

var (
	leadingDays = regexp.MustCompile(`^([0-9]+)d`)
	plainNumber = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)
)

// ParseDuration reads a number with a unit (ms, s, m, h, d; us and ns too), or
// several of them from large to small ("1d12h"). A bare "0" needs no unit. Signs,
// missing units and more than MaxDuration are refused.
func ParseDuration(text string) (Duration, error) {
	if text == "" {
		return 0, errors.New("the duration is empty")
	}
	if text[0] == '-' || text[0] == '+' {
		return 0, fmt.Errorf("the duration %q has a sign; durations count from zero up", text)
	}
	if text != "0" && plainNumber.MatchString(text) {
		return 0, fmt.Errorf("the duration %q has no unit; write %[2]ss, %[2]sm or %[2]sh", text, text)
	}
	rest, days := text, time.Duration(0)
	if m := leadingDays.FindStringSubmatch(text); m != nil {
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil || n > int64(MaxDuration)/int64(Day) {
			return 0, fmt.Errorf("the duration %q is longer than a hundred years", text)
		}
		days, rest = time.Duration(n)*Day, text[len(m[0]):]
	}
	var d time.Duration
	if rest != "" {
		var err error
		if d, err = time.ParseDuration(rest); err != nil || d < 0 || strings.ContainsAny(rest, "+-") {
			return 0, fmt.Errorf("%q is not a duration", text)
		}
	}
	if d > MaxDuration.Std() || Duration(d+days) > MaxDuration {
		return 0, fmt.Errorf("the duration %q is longer than a hundred years", text)
	}
	return Duration(d + days), nil
}

// Percent is a share from 0 to 100, written "1%" or "0.5%". In JSON and YAML it is
// its canonical text.
type Percent float64

// String is the shortest text that parses back to the same value.
func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%" }

// Fraction is the share as a number from 0 to 1.
func (p Percent) Fraction() float64 { return float64(p) / 100 }

// MarshalText is String; it never fails.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePercent.
func (p *Percent) UnmarshalText(text []byte) error {
	v, err := ParsePercent(string(text))
	if err != nil {
		return err
	}
	*p = v
	return nil
}

var percentForm = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?%$`)

// ParsePercent reads a number with a percent sign. A missing sign and more than
// 100 are refused.
func ParsePercent(text string) (Percent, error) {
	if !percentForm.MatchString(text) {
		if plainNumber.MatchString(text) {
			return 0, fmt.Errorf("the percentage %q has no percent sign; write %s%%", text, text)
		}
		return 0, fmt.Errorf("%q is not a percentage", text)
	}
	v, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || math.IsInf(v, 0) || v > 100 {
		return 0, fmt.Errorf("the percentage %q is more than 100%%", text)
	}
	return Percent(v), nil
}

// Number is a bound of a measured value, written as a plain number such as 0.5 or 250.
type Number float64

// String is the shortest text that parses back to the same value.
func (n Number) String() string { return strconv.FormatFloat(float64(n), 'f', -1, 64) }

// MarshalText is String; it never fails.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText is ParseNumber.
func (n *Number) UnmarshalText(text []byte) error {
	v, err := ParseNumber(string(text))
	if err != nil {
		return err
	}
	*n = v
	return nil
}

// ParseNumber reads a finite decimal number.
func ParseNumber(text string) (Number, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || strings.ContainsAny(text, "xXpP_") {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return Number(v), nil
}
