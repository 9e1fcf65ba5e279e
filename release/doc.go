// Package release is the domain of Switchyard: what a release is, the phases it
// goes through, the plan, the gates and orders, and every judgement by which it goes
// on or back. It is pure: no I/O, no clock and no randomness; what it needs to know
// comes in as values, so that the same input always gives the same decision.
package release
