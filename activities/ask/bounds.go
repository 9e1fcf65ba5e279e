package ask

import (
	"math"
	"strconv"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// judgeNumber is the verdict on a measured value. What is no finite number, and what
// has no bound to be compared with, tells nothing.
func judgeNumber(value float64, least, most *spec.Number) release.Result {
	bound := numberBound(least, most)
	switch {
	case math.IsNaN(value) || math.IsInf(value, 0):
		return unknown(bound, "%v is no number to judge by", value)
	case least == nil && most == nil:
		return unknown(bound, "%s, and neither min nor max is given", number(value))
	case least != nil && value < float64(*least), most != nil && value > float64(*most):
		return failed(bound, "%s", number(value))
	}
	return passed(bound, "%s", number(value))
}

func numberBound(least, most *spec.Number) string {
	switch {
	case least != nil && most != nil:
		return "≥ " + least.String() + " and ≤ " + most.String()
	case least != nil:
		return "≥ " + least.String()
	case most != nil:
		return "≤ " + most.String()
	}
	return "a bound"
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
