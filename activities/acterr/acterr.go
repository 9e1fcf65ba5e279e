// Package acterr is the one place where errors cross from activities to workflows.
// Temporal looks at the outermost error only: a wrapped application error loses its
// type and its non-retryability, and no sentinel survives. ToTemporal therefore lifts
// the meaning of any error to the outside.
package acterr

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/platform"
)

// Unknown is the type of an error that says nothing about its kind. It is retried,
// and proves nothing.
const Unknown = "Unknown"

// Final makes an error of the given type that is not retried. What is wrapped with
// %w becomes part of the message and not the cause, which would say it all twice.
func Final(kind, format string, args ...any) error {
	return temporal.NewApplicationErrorWithOptions(fmt.Errorf(format, args...).Error(), kind,
		temporal.ApplicationErrorOptions{NonRetryable: true})
}

// FinalWith is Final with details for the workflow to decide by.
func FinalWith(kind string, details any, format string, args ...any) error {
	return temporal.NewApplicationErrorWithOptions(fmt.Sprintf(format, args...), kind,
		temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{details}})
}

// Permanent says whether doing the same again can't help: the platform calls the
// request invalid or denies it, or the error is final already.
func Permanent(err error) bool {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return app.NonRetryable()
	}
	kind := platform.KindOf(err)
	return kind == platform.KindInvalid || kind == platform.KindDenied
}

// ToTemporal makes the error that a workflow sees: an application error, outermost,
// whose type is the type of the application error inside, else the platform's kind,
// else Unknown. Of joined errors the first one gives the type, and all of them must
// be permanent for the whole to be. A cancelled context passes as it is.
func ToTemporal(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || temporal.IsCanceledError(err) {
		return cancellation(err)
	}
	if app, ok := err.(*temporal.ApplicationError); ok { //nolint:errorlint // only an outermost one needs no lifting
		return app
	}
	options := temporal.ApplicationErrorOptions{NonRetryable: permanentAll(err)}
	kind, message := Unknown, err.Error()
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		kind = app.Type()
		message = strings.Replace(message, app.Error(), app.Message(), 1) // without "(type: …)" in the middle
		options.NextRetryDelay = app.NextRetryDelay()
		options.Category = app.Category()
	} else if k := platform.KindOf(err); k != "" {
		kind = string(k)
	}
	return temporal.NewApplicationErrorWithOptions(message, kind, options)
}

// cancellation is the part of the chain that Temporal recognises.
func cancellation(err error) error {
	var cancelled *temporal.CanceledError
	if errors.As(err, &cancelled) {
		return cancelled
	}
	return context.Canceled
}

// permanentAll is Permanent, asked of every member of a joined error.
func permanentAll(err error) bool {
	for e := err; e != nil; e = errors.Unwrap(e) {
		joined, ok := e.(interface{ Unwrap() []error })
		if !ok {
			continue
		}
		for _, member := range joined.Unwrap() {
			if !permanentAll(member) {
				return false
			}
		}
		return true
	}
	return Permanent(err)
}
