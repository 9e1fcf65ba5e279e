package platform

import (
	"errors"
	"fmt"
)

// Kind says what an error means for what to do next.
type Kind string

// The kinds. Anything else is unknown: retry, and treat nothing as proven.
const (
	KindNotFound  Kind = "NotFound"  // the resource is not there, and that is certain
	KindConflict  Kind = "Conflict"  // somebody else changed it; look before acting again
	KindInvalid   Kind = "Invalid"   // the request can never work as it is; do not retry
	KindDenied    Kind = "Denied"    // credentials or permissions; do not retry without a person
	KindThrottled Kind = "Throttled" // too many calls; retry later
	KindCapacity  Kind = "Capacity"  // the platform has no room now; retry later
	KindAmbiguous Kind = "Ambiguous" // it may or may not have happened; read before retrying
)

// Error says what was tried, on what, why it failed and what to do.
type Error struct {
	Kind     Kind
	Op       string // what was tried: "provision fleet"
	Resource string // on what: "checkout-production-r42 in local-a"
	Advice   string // what to do; may be empty when the cause says it
	Err      error  // why
}

func (e *Error) Error() string {
	s := e.Op
	if e.Resource != "" {
		s += " " + e.Resource
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Advice != "" {
		s += " (" + e.Advice + ")"
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// NewError makes an Error of the given kind.
func NewError(kind Kind, op, resource, advice string, err error) *Error {
	return &Error{Kind: kind, Op: op, Resource: resource, Advice: advice, Err: err}
}

// NotFound is the error of a resource that is certainly not there.
func NotFound(op, resource string) *Error {
	return NewError(KindNotFound, op, resource, "", errors.New("not found"))
}

// Conflict is the error of a resource that is not as the caller expected it.
func Conflict(op, resource, format string, args ...any) *Error {
	return NewError(KindConflict, op, resource, "", fmt.Errorf(format, args...))
}

// KindOf is the kind of the first Error in the chain, "" when there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// IsNotFound says whether the resource is certainly not there.
func IsNotFound(err error) bool { return KindOf(err) == KindNotFound }

// IgnoreNotFound turns "not there" into success, for removals.
func IgnoreNotFound(err error) error {
	if IsNotFound(err) {
		return nil
	}
	return err
}

// IsConflict says whether somebody else changed the resource.
func IsConflict(err error) bool { return KindOf(err) == KindConflict }
