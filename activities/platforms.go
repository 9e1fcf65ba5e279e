package activities

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/switchyard/switchyard/platform"
)

// Set is the platforms a worker can act on, by name.
type Set map[string]platform.Platform

// Get is the platform of that name. An unknown one is KindInvalid: retrying on the
// same worker can't help.
func (s Set) Get(name string) (platform.Platform, error) {
	p, ok := s[name]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(s)), ", ")
		return platform.Platform{}, platform.NewError(platform.KindInvalid, "find platform", fmt.Sprintf("%q", name),
			"this worker knows: "+known+"; start one with that platform, or change the spec", errors.New("unknown platform"))
	}
	return p, nil
}

// at names a thing and its region for error messages.
func at(region, name string) string { return name + " in " + region }
