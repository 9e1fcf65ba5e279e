package spec_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release/spec"
)

func TestDurations(t *testing.T) {
	for text, want := range map[string]struct {
		value     time.Duration
		canonical string
	}{
		"0": {0, "0s"}, "0s": {0, "0s"}, "90s": {90 * time.Second, "1m30s"}, "24h": {24 * time.Hour, "24h"},
		"2d": {48 * time.Hour, "48h"}, "1d12h30m": {36*time.Hour + 30*time.Minute, "36h30m"}, "500ms": {500 * time.Millisecond, "500ms"},
		"10m": {10 * time.Minute, "10m"}, "1.5h": {90 * time.Minute, "1h30m"}, "100h5s": {100*time.Hour + 5*time.Second, "100h0m5s"},
	} {
		d, err := spec.ParseDuration(text)
		require.NoError(t, err, text)
		assert.Equal(t, want.value, d.Std(), text)
		assert.Equal(t, want.canonical, d.String(), text)
	}
}

func TestWrongDurationsAndPercentagesSayWhy(t *testing.T) {
	for text, want := range map[string]string{
		"":         "the duration is empty",
		"24":       `the duration "24" has no unit; write 24s, 24m or 24h`,
		"1.5":      `the duration "1.5" has no unit; write 1.5s, 1.5m or 1.5h`,
		"-1h":      `the duration "-1h" has a sign; durations count from zero up`,
		"1h-2m":    `"1h-2m" is not a duration`,
		"inf":      `"inf" is not a duration`,
		"1 h":      `"1 h" is not a duration`,
		"1.5d":     `"1.5d" is not a duration`,
		"36501d":   `the duration "36501d" is longer than a hundred years`,
		"2000000h": `the duration "2000000h" is longer than a hundred years`,
	} {
		_, err := spec.ParseDuration(text)
		assert.EqualError(t, err, want)
	}
	for text, want := range map[string]string{
		"":       `"" is not a percentage`,
		"50":     `the percentage "50" has no percent sign; write 50%`,
		"-1%":    `"-1%" is not a percentage`,
		"100.1%": `the percentage "100.1%" is more than 100%`,
		"1 %":    `"1 %" is not a percentage`,
	} {
		_, err := spec.ParsePercent(text)
		assert.EqualError(t, err, want)
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]string{"0": "0", "-1.5": "-1.5", "1e3": "1000", ".5": "0.5", "0.50": "0.5"} {
		n, err := spec.ParseNumber(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, n.String(), text)
	}
	for _, text := range []string{"", "1,5", "5%", "NaN", "inf", "-Infinity", "1e999", "0x10", "1_000", " 1"} {
		_, err := spec.ParseNumber(text)
		assert.EqualError(t, err, fmt.Sprintf("%q is not a number", text))
	}
}

func TestPercentages(t *testing.T) {
	p, err := spec.ParsePercent("0.50%")
	require.NoError(t, err)
	assert.Equal(t, "0.5%", p.String())
	assert.InDelta(t, 0.005, p.Fraction(), 1e-12)
}
