package image

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSourceBlockIsChecked(t *testing.T) {
	good := func() map[string]any {
		return map[string]any{"store": "/s", "application": "a", "version": "1"}
	}
	for _, c := range []struct{ name, value, says string }{
		{"store", "", "store must not be empty"},
		{"application", "", "application must not be empty"},
		{"version", "", "version must not be empty"},
		{"parent", "latest", "not a digest"},
		{"parent", "sha256:12", "not a digest"},
		{"created", "yesterday", "not a time like"},
		{"created", "1969-01-01T00:00:00Z", "before 1970"},
		{"created", "2026-01-31T12:00:00Z", ""},
		{"parent", "", ""},
		{"stor", "x", "stor"},
	} {
		raw := good()
		raw[c.name] = c.value
		_, _, err := new(Builder).Prepare(raw)
		if c.says == "" {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorContains(t, err, c.says)
	}
	_, _, err := new(Builder).Prepare(map[string]any{})
	for _, all := range []string{"store", "application", "version"} {
		assert.ErrorContains(t, err, all, "every finding at once")
	}
}
