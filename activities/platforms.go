package activities

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release/spec"
)

// Set is the platforms a worker can act on, by name.
type Set map[string]platform.Opener

// Open opens the platform of that name with the settings of a spec. An unknown one is
// KindInvalid: retrying on the same worker can't help.
func (s Set) Open(name string, settings spec.Settings) (platform.Platform, error) {
	open, ok := s[name]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(s)), ", ")
		return platform.Platform{}, platform.NewError(platform.KindInvalid, "find platform", fmt.Sprintf("%q", name),
			"this worker knows: "+known+"; start one with that platform, or change the spec", errors.New("unknown platform"))
	}
	return open(settings)
}

// at opens the platform of a place.
func (s Set) at(p Place) (platform.Platform, error) { return s.Open(p.Platform, p.Settings) }

// at names a thing and its region for error messages.
func at(region, name string) string { return name + " in " + region }
