package preflight

import (
	"errors"

	"github.com/switchyard/switchyard/platform"
)

// adviceOf is the advice of the first platform error in the chain, which names the
// missing action when a permission is missing.
func adviceOf(err error) string {
	var e *platform.Error
	if errors.As(err, &e) {
		return e.Advice
	}
	return ""
}

// cause is the error without its advice, which a finding has in a place of its own.
func cause(err error) error {
	var e *platform.Error
	if !errors.As(err, &e) {
		return err
	}
	bare := *e
	bare.Advice = ""
	return &bare
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
