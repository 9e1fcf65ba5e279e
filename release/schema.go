package release

import (
	"fmt"
	"slices"
)

// Schema is what is known of the database of a target: its version and floor are
// numbers that only grow.
type Schema struct {
	Version int     `json:"version,omitempty"` // what the last expand left
	Floor   int     `json:"floor,omitempty"`   // builds that need an older schema do not run any more
	Builds  []Build `json:"builds,omitempty"`  // the last builds that were released, newest last
}

// Build is the schema that a released version needs.
type Build struct {
	Version string `json:"version"`
	Needs   int    `json:"needs"`
}

const maxBuilds = 100

// Needs is the schema that a version needs, 0 when it is not known.
func (s Schema) Needs(version string) int {
	for i := len(s.Builds) - 1; i >= 0; i-- {
		if s.Builds[i].Version == version {
			return s.Builds[i].Needs
		}
	}
	return 0
}

// Take takes in what a release says of the schema. Nothing ever sinks.
func (s Schema) Take(r Schema) Schema {
	s.Version, s.Floor = max(s.Version, r.Version), max(s.Floor, r.Floor)
	for _, b := range r.Builds {
		s.Builds = slices.DeleteFunc(slices.Clone(s.Builds), func(x Build) bool { return x.Version == b.Version })
		s.Builds = append(s.Builds, b)
	}
	if n := len(s.Builds); n > maxBuilds {
		s.Builds = s.Builds[n-maxBuilds:]
	}
	return s
}

// CheckBuild says why a version can't run on the schema, nil when it can. needs is the
// schema the version needs; 0 means that the spec does not say, and what was recorded
// when the version was released counts.
func (s Schema) CheckBuild(version string, needs int) error {
	if needs == 0 {
		needs = s.Needs(version)
	}
	switch {
	case s.Floor == 0 || needs >= s.Floor:
		return nil
	case needs == 0:
		return fmt.Errorf("the database was contracted to schema %d, and it is not known which schema version %s needs; say so in migrations.schema of a spec that names the image in image.retained", s.Floor, version)
	}
	return fmt.Errorf("version %s needs schema %d of the database, which was contracted: only builds that need %d or a newer one run now; restore what the contract took away first, or release a newer version", version, needs, s.Floor)
}
